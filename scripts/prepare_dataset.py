"""Prepare a data set: uint8 images, labels, splits, and the statistics of its normalisation, in one file.

Splits are those of the source, or stratified by class and drawn from the data set's name and `split_seed`; the
normalisation is fitted on the training split. The log says what was taken, converted and skipped.
"""

import sys

from shared import command

from seqmatch import config
from seqmatch.config.sections import FEW
from seqmatch.data.dataset import check_classes, save
from seqmatch.data.download import check
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import read
from seqmatch.files import finished
from seqmatch.files.store import provenance
from seqmatch.seeds import Seed


def main(args):
    inputs = [args.files] if args.files else []
    finished.check(inputs, [args.out])
    if args.files:
        check(args.files)
    raw = read(args.preparation, args.files.parent if args.files else None)
    taken = f"{args.dataset}: took {len(raw.images)} images of {len(raw.class_names)} classes"
    print("; ".join([taken, *raw.notes]), flush=True)
    dataset = prepare(raw, args.preparation, Seed("prepare", args.dataset, args.preparation.split_seed))
    check_classes(dataset, args.images_per_class)
    save(args.out, dataset, provenance(command.parameters(args), inputs))
    counts = ", ".join(f"{name} {len(index)}" for name, index in dataset.splits.items())
    print(f"{args.dataset}: {dataset.classes} classes, images of {dataset.shape}, {counts}")
    if 0 < len(dataset.splits["validation"]) < FEW:
        print(
            f"warning: {args.dataset}: {len(dataset.splits['validation'])} validation images will choose snapshots, so "
            f"chance has a large part in it; hold out {FEW} or more (`validation_fraction`), or none",
            file=sys.stderr,
        )


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--dataset", type=command.name, required=True, help="name of the data set")
    command.add_section(arguments, "preparation", config.Dataset, help="how to prepare it")
    arguments.add_argument(
        "--files", type=command.path, nargs="?", help="list of the source's files, as fetch_data wrote it beside them"
    )
    command.add_images_per_class(arguments)
    arguments.add_argument("--out", type=command.file, required=True, help="file to write (.safetensors)")
    command.run(main, arguments)
