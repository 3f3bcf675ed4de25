"""Tables of cells that several machines may have run, and the pages that people write around them."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from shared import command
from shared.table_formats import rounded

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import provenance, save_table, save_text
from seqmatch.report.figures.style import save


def add_arguments(arguments: argparse.ArgumentParser, name: str) -> None:
    """What ran, where, and what is written of it.

    Args:
        name: of the experiment's file, and of all that is written unless said otherwise.
    """
    arguments.add_argument(
        "--folder", type=command.path, default=Path(), help="in which the experiment ran, with its results/"
    )
    arguments.add_argument(
        "--configfile", type=command.path, nargs="+", default=[command.ROOT / f"config/{name}.yaml"], help="what ran"
    )
    for option, kind, place, meaning in (
        ("csv", command.table_file, f"docs/results/{name}.csv", "table to write"),
        ("figure", command.figure_file, f"docs/figures/{name}.png", "figure to write"),
        ("page", command.file, f"docs/results/{name}.md", "page whose table is written anew"),
    ):
        arguments.add_argument(f"--{option}", type=kind, default=command.ROOT / place, help=meaning)


def around(page: Path, mark: str) -> tuple[str, str]:
    """What stands before and after the table of a page, which lies between two marks.

    Raises:
        OSError: there is no such page.
        SeqmatchError: it has not two of the marks.
    """
    parts = page.read_text(encoding="utf-8").split(mark)
    if len(parts) != 3:
        raise SeqmatchError(f"{page}: expected two lines {mark}, between which the table goes; found {len(parts) - 1}")
    return parts[0], parts[2]


def write(args: argparse.Namespace, table: pd.DataFrame, inputs: Mapping[str, str], figure: Figure, page: str) -> None:
    """The table with its provenance, the figure, and the page.

    Args:
        args: with the options of `add_arguments`.
        inputs: what the table was made from, and its digests.
        page: its whole text.
    """
    header = provenance({"configuration": [path.name for path in args.configfile]})
    save_table(args.csv, rounded(table), header | {"inputs": inputs})
    save(figure, [args.figure])
    save_text(args.page, page)
