"""Prepare a data set: uint8 images, labels, splits, and the statistics of its normalisation, in one file.

Splits are those of the source, or stratified by class and drawn from the data set's name and `split_seed`; the
normalisation is fitted on the training split.
"""

from shared import command

from seqmatch import config
from seqmatch.data.dataset import save
from seqmatch.data.download import check
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import read
from seqmatch.files.store import provenance
from seqmatch.seeds import Seed


def main(args):
    if args.files:
        check(args.files)
    raw = read(args.preparation, args.files.parent if args.files else None)
    dataset = prepare(raw, args.preparation, Seed("prepare", args.dataset, args.preparation.split_seed))
    save(args.out, dataset, provenance(command.parameters(args), [args.files] if args.files else []))
    counts = ", ".join(f"{name} {len(index)}" for name, index in dataset.splits.items())
    print(f"{args.dataset}: {dataset.classes} classes, images of {dataset.shape}, {counts}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--dataset", type=command.name, required=True, help="name of the data set")
    command.add_section(arguments, "preparation", config.Dataset, help="how to prepare it")
    arguments.add_argument(
        "--files", type=command.path, nargs="?", help="list of the source's files, as fetch_data wrote it beside them"
    )
    arguments.add_argument("--out", type=command.file, required=True, help="file to write (.safetensors)")
    command.run(main, arguments)
