"""The experiment that a command is asked about, read as Snakemake reads it."""

import argparse
import os
from pathlib import Path
from typing import Any

from seqmatch import config
from seqmatch.command.arguments import path
from seqmatch.errors import SeqmatchError

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the workflow lies beside the package, in a clone."""


def add_argument(arguments: argparse.ArgumentParser) -> None:
    """The option that names the files of an experiment; its paths count from where the command is called."""
    arguments.add_argument(
        "--configfile",
        type=path,
        nargs="*",
        default=[],
        help="instead of config.yaml; laid over one another in turn",
    )


def add_directory(arguments: argparse.ArgumentParser) -> None:
    """The option that names the folder of an experiment, from which the paths in its files count."""
    arguments.add_argument(
        "--directory", type=path, default=Path(), help="the folder that Snakemake runs in (default: this one)"
    )


def merged_in(args: argparse.Namespace) -> dict[str, Any]:
    """As `merged`, in the folder of the experiment, which is the working folder from here on.

    Raises:
        OSError: there is no such folder.
    """
    files = [name.resolve() for name in args.configfile]
    os.chdir(args.directory)
    return merged(files)


def merged(paths: list[Path]) -> dict[str, Any]:
    """The files in turn, one laid over the other, as Snakemake does it; the default experiment where there is none.

    Raises:
        SeqmatchError: none is named, and there is no default one; or as `config.read`.
    """
    if not paths:
        paths = [config.default_file(CHECKOUT)]
        if not paths[0].is_file():
            raise SeqmatchError(f"there is no config.yaml in {Path.cwd()}; name one with --configfile")
    settings: dict[str, Any] = {}
    for name in paths:
        settings = config.laid_over(settings, config.read(name))
    return settings
