"""`seqmatch sets`, `show`, `export` and `import`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tabulate import tabulate

import seqmatch
from seqmatch import config
from seqmatch.command.arguments import new_folder, number, path, rate, set_file, words
from seqmatch.config.catalog import SOURCES
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.sets import listed
from seqmatch.sets.formats import FORMATS

if TYPE_CHECKING:
    from seqmatch.sets.real import Real

USUAL_STEP_SIZE = 0.01
"""At which networks learn from images that came with none (DC, DSA, DM)."""

OF_TENSORS = ("labels", "step_size", "experiment", "space", "normalization")
"""Options that only tensors take."""

TENSORS = (".pt", ".pth")
"""Endings of files of other programs."""


def add_set(arguments: argparse.ArgumentParser) -> None:
    """The set that a command is about."""
    arguments.add_argument(
        "set", type=path, help="a set of the index by its name, the file of a set, an export, or the folder of a run"
    )


def opened(args: argparse.Namespace) -> "seqmatch.Distilled":
    """The set that a command is about.

    Raises:
        SeqmatchError: there is none, or it is damaged.
    """
    if not args.set.exists() and str(args.set) not in listed():
        raise SeqmatchError(
            f"{args.set}: neither a file or folder, nor a set of the index; {allowed(args.set, listed())}"
        )
    return seqmatch.load(args.set)


def listing(args: argparse.Namespace) -> None:
    """List the sets that come with the package.

    Accuracy is of networks that learned from the set alone, mean ± standard deviation over networks.
    """
    rows = [
        {
            "name": name,
            "images": entry.images,
            "K": entry.subsets,
            "accuracy, %": f"{entry.accuracy.mean:.1f}"
            + (f" ± {entry.accuracy.std:.1f}" if entry.accuracy.std else ""),
            "networks": f"{entry.accuracy.networks} {entry.accuracy.architecture}",
            "licence of the real images": entry.licence,
        }
        for name, entry in listed().items()
    ]
    print(tabulate(rows, headers="keys", tablefmt="pipe"))


def show(args: argparse.Namespace) -> None:
    """Say what a set is: images, classes, subsets, how it was made, and its accuracy."""
    print(opened(args))


def add_export(arguments: argparse.ArgumentParser) -> None:
    """The set, and how and where it is written."""
    add_set(arguments)
    arguments.add_argument("--out", type=new_folder, required=True, help="folder to write; it must not be there yet")
    summaries = "; ".join(f"{name}: {form.summary}" for name, form in FORMATS.items())
    arguments.add_argument("--format", choices=FORMATS, required=True, help=summaries)
    arguments.add_argument("--name", type=words, help="of the set, for its card")
    arguments.add_argument(
        "--real", action="store_true", help="write it also if its images are real ones, as those of `random` are"
    )


def export(args: argparse.Namespace) -> None:
    """Write a set in the format of others, with a card.

    Into a new folder: a README.md that tells how the set was made, its accuracy, how to train on it, and whose the real
    images are; files of the format; and set.safetensors, the set itself, so that seqmatch reads the folder too.
    """
    seqmatch.export(opened(args), args.out, args.format, name=args.name, real=args.real)
    print(f"wrote {args.out}: {size(args.out)}")


def add_tensors(arguments: argparse.ArgumentParser) -> None:
    """Tensors that another program distilled, in place of a set."""
    arguments.add_argument(
        "--labels", type=path, metavar="FILE", help="of images that another program distilled; or they lie beside it"
    )
    arguments.add_argument(
        "--step-size",
        type=rate,
        metavar="RATE",
        help=f"learning rate of networks that learn from these; by default that beside them, else {USUAL_STEP_SIZE}",
    )
    arguments.add_argument(
        "--experiment",
        type=number,
        metavar="N",
        help="which one, in a file of several (default 0)",
    )
    arguments.add_argument(
        "--space",
        choices=["normalized", "pixels"],
        help="what the numbers of these images are: as networks saw them (default), or pixels in 0 to 1",
    )
    arguments.add_argument(
        "--normalization",
        choices=get_args(config.Dataset.model_fields["normalization"].annotation),
        help="how these images were normalised; fitted on the training images of --dataset (default standardize)",
    )


def refuse_of_tensors(args: argparse.Namespace) -> None:
    """Refuse options that a set, which says these things itself, would ignore.

    Raises:
        SeqmatchError: one is given.
    """
    for name in OF_TENSORS:
        if getattr(args, name) is not None:
            raise SeqmatchError(
                f"--{name.replace('_', '-')}: it is for tensors of another program ({', '.join(TENSORS)}); a set says "
                "itself how it is learned from, and --evaluation what is to be otherwise, such as learning_rate"
            )


def add_dataset(arguments: argparse.ArgumentParser, help: str) -> None:
    """A source of real images, and where it lies."""
    known = ["imagefolder", *SOURCES]
    arguments.add_argument("--dataset", choices=known, metavar="SOURCE", help=f"{help}; one of {', '.join(known)}")
    arguments.add_argument(
        "--data",
        type=path,
        metavar="DIR",
        help="folder of its files; what is published and not there is fetched (default data/SOURCE)",
    )


def add_take_in(arguments: argparse.ArgumentParser) -> None:
    """Tensors, of which data set they are, and where the set goes."""
    arguments.add_argument("set", type=path, metavar="images", help="file of the images (.pt), or the folder of all")
    add_tensors(arguments)
    add_dataset(arguments, "source of the real images")
    arguments.add_argument("--out", type=set_file, required=True, help="file of the set to write (.safetensors)")


def take_in(args: argparse.Namespace) -> None:
    """Make a set of images that another program distilled (.pt), in one file.

    Files of MTT, FTD, TESLA, DATM, DC, DSA, DM and DD-Ranking are known. They are read as tensors alone: a file that
    would run code is refused. The normalisation is fitted on the training images of --dataset.
    """
    from seqmatch.files.store import check_writable

    check_writable(args.out)
    distilled, _ = external(args)
    seqmatch.save(distilled, args.out)
    print(distilled)
    print(f"wrote {args.out}")


def are_tensors(args: argparse.Namespace) -> bool:
    """Whether tensors of another program are named, not a set."""
    given = args.set
    of_others = given.is_dir() and not any(given.rglob("*.safetensors")) and any(given.glob("*.pt"))
    beside_labels = args.labels is not None and given.is_file() and given.suffix != ".safetensors"
    return beside_labels or given.suffix in TENSORS or of_others


def external(args: argparse.Namespace) -> tuple["seqmatch.Distilled", "Real"]:
    """The set that tensors of another program make, and the real images that it is of.

    Raises:
        SeqmatchError: they cannot be read, do not fit the data set, or it is not named.
    """
    from seqmatch.data.dataset import known_by
    from seqmatch.sets.real import usual
    from seqmatch.synthetic.external import read

    if args.dataset is None:
        raise SeqmatchError("--dataset is missing: the source whose images these were made from")
    found = read(args.set, args.labels, args.step_size, args.experiment or 0)
    if found.step_size is None:
        print(
            f"note: no step size is given, nor beside the images; networks learn at {USUAL_STEP_SIZE}", file=sys.stderr
        )
    shape, normalization = tuple(found.images.shape[1:]), args.normalization or "standardize"
    real = usual(args.dataset, shape, normalization, args.data)
    dataset = real.dataset()
    if not found.labels.is_floating_point() and (classes := len(found.labels.unique())) < dataset.classes:
        raise SeqmatchError(f"{args.set}: images of {classes} classes; {args.dataset} has {dataset.classes}")
    distilled = seqmatch.from_tensors(
        found.images,
        found.labels,
        found.step_size or USUAL_STEP_SIZE,
        space=args.space or "normalized",
        normalization=dataset.normalization,
        class_names=dataset.class_names,
        augmentation=dataset.augmentation,
        name=args.set.resolve().name,
    )
    told = {
        "dataset": args.dataset,
        "preparation": real.settings.model_dump(mode="json", exclude={"path"}),
        **known_by(dataset.images),
    }
    return replace(distilled, about=distilled.about | {"prepared": told}), real


def size(place: Path) -> str:
    """Files and bytes of a folder, in words."""
    sizes = [found.stat().st_size for found in place.rglob("*") if found.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e3:,.0f} kB"
