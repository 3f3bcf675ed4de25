"""`seqmatch sets`, `show`, `export` and `import`."""

import argparse
from pathlib import Path
from typing import Any

from tabulate import tabulate

import seqmatch
from seqmatch.command.arguments import file, path, words
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.sets import listed
from seqmatch.sets.formats import FORMATS


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
    arguments.add_argument("--out", type=file, required=True, help="folder to write; it must not be there yet")
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


def percent(mean: float, std: float | None) -> str:
    """An accuracy, with its spread where there is one."""
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def size(place: Path) -> str:
    """Files and bytes of a folder, in words."""
    sizes: list[Any] = [found.stat().st_size for found in place.rglob("*") if found.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e3:,.0f} kB"


def add_take_in(arguments: argparse.ArgumentParser) -> None:
    """Tensors of others."""


def take_in(args: argparse.Namespace) -> None:
    """Make a set of tensors that another program distilled."""
