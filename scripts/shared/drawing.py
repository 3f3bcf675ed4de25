"""What the commands that draw a figure share: options of its look, how it is written, and for a figure from a table a
whole command but for the drawing itself."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from shared import command

from seqmatch.config.sections import Figures
from seqmatch.errors import SeqmatchError
from seqmatch.files.schema import Row
from seqmatch.files.store import load_table, provenance, save_table
from seqmatch.report.figures import captions
from seqmatch.report.figures.style import FAMILIES, STYLES, Style, save, style_of


def add_look(arguments: argparse.ArgumentParser) -> None:
    """What is written, and how it looks."""
    usual = Figures()
    arguments.add_argument(
        "--style", choices=STYLES, default=usual.style, help="width and text size (default %(default)s)"
    )
    arguments.add_argument("--font", choices=FAMILIES, default=usual.font, help="kind of letters (default %(default)s)")
    arguments.add_argument(
        "--methods", type=command.name, nargs="*", default=[], help="methods in the order of their colours"
    )
    arguments.add_argument(
        "--out",
        type=command.figure_file,
        nargs="+",
        required=True,
        help="figures (.pdf, .png), captions (.txt, .tex) and table of what is shown (.csv) to write",
    )


def style(args: argparse.Namespace) -> Style:
    return style_of(args.style, args.font, args.methods)


def write(args: argparse.Namespace, figure: Figure, caption: str, table: pd.DataFrame, inputs: Sequence[Any]) -> None:
    """A figure, its caption and the table of what it shows."""
    endings = {path: path.suffix for path in args.out}
    save(figure, [path for path, ending in endings.items() if ending in (".pdf", ".png")], style(args))
    captions.save(caption, [path for path, ending in endings.items() if ending in (".txt", ".tex")])
    for path, ending in endings.items():
        if ending == ".csv":
            save_table(path, table, provenance(command.parameters(args), inputs))


def run(
    description: str,
    draw: Callable[..., Figure],
    caption: Callable[[pd.DataFrame], str],
    row: type[Row],
    of_one: Sequence[str] = ("dataset", "ipc"),
) -> None:
    """A command that draws some rows of a table, and writes them beside the figure: from there it can be redrawn.

    Args:
        draw: from rows and `style`.
        caption: of the same rows.
        of_one: columns in which all rows that are drawn have one value.
    """
    arguments = command.parser(description)
    arguments.add_argument("table", type=command.path, help="table to draw, such as the one beside a figure (.csv)")
    arguments.add_argument("--dataset", type=command.name, help="of a larger table, only the rows of this data set")
    arguments.add_argument(
        "--ipc",
        type=command.images_per_class,
        metavar="N",
        help="of a larger table, only the rows of so many images per class",
    )
    add_look(arguments)

    def main(args) -> None:
        rows = load_table(args.table, row)
        wanted = {name: value for name, value in (("dataset", args.dataset), ("ipc", args.ipc)) if value is not None}
        for name, value in wanted.items():
            if name not in rows:
                raise SeqmatchError(f"{args.table}: has no column {name} to choose {value} from")
            rows = rows[rows[name] == value]
        if rows.empty:
            raise SeqmatchError(
                f"{args.table}: no rows{''.join(f', {name} {value}' for name, value in wanted.items())}"
            )
        for name in of_one:
            if rows[name].nunique() > 1:
                found = ", ".join(rows[name].unique())
                raise SeqmatchError(f"{args.table}: has rows of several ({name}: {found}); choose one with --{name}")
        write(args, draw(rows, style=style(args)), caption(rows), rows, [args.table])

    command.run(main, arguments)
