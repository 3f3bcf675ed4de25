"""Prepare a data set: uint8 images, labels, splits, and the statistics of its normalisation, in one file.

Splits are stratified by class and depend on the data set's name alone; the normalisation is fitted on the
training split.
"""

from pathlib import Path

import command

from seqmatch import config
from seqmatch.data.dataset import save
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import SOURCES
from seqmatch.seeds import Seed
from seqmatch.store import provenance


def main(args):
    dataset = prepare(SOURCES[args.settings.source](), args.settings, Seed("prepare", args.dataset))
    save(args.out, dataset, provenance(command.parameters(args)))
    counts = ", ".join(f"{name} {len(index)}" for name, index in dataset.splits.items())
    print(f"{args.dataset}: {dataset.classes} classes, images of {dataset.shape}, {counts}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="name of the data set")
    command.add_section(arguments, "settings", config.Dataset, "how to prepare it")
    arguments.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    command.run(main, arguments)
