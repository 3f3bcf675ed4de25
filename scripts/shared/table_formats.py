"""The forms that every table is written in: CSV, Markdown, LaTeX, and a page for the report, side by side."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from shared import command

from seqmatch.files.store import save_table, save_text
from seqmatch.report.html import table_page
from seqmatch.report.tables.text import Sheet, to_latex, to_markdown

PROBABILITIES = ("p", "q", "p_best")
"""Columns that decisions rest on: hardly rounded, so that whoever reads them decides alike."""


def add_csv(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--csv",
        type=command.table_file,
        required=True,
        help="table to write; beside it .md, .tex and .html",
    )


def add_published(arguments: argparse.ArgumentParser) -> None:
    """Published numbers, and what they call data sets and architectures."""
    arguments.add_argument("--published", type=command.path, required=True, help="list of published numbers")
    arguments.add_argument(
        "--published-data", type=names, default={}, metavar="JSON", help="published data set that each of the run's is"
    )
    arguments.add_argument(
        "--published-architectures",
        type=names,
        default={},
        metavar="JSON",
        help="publications' name for each architecture",
    )


def write(
    path: Path, table: pd.DataFrame, header: dict[str, Any], sheets: Sequence[Sheet], apart: bool = False
) -> None:
    """A tidy table as CSV, and beside it what people read of it.

    Args:
        apart: whether, in LaTeX, sheets after the first have a file of their own.
    """
    save_table(path, rounded(table), header)
    save_text(path.with_suffix(".md"), to_markdown(sheets))
    shown = [sheet for sheet in sheets if len(sheet.body)]
    save_text(path.with_suffix(".tex"), to_latex(shown[:1] if apart else shown, path.stem))
    if apart:
        save_text(path.with_name(f"{path.stem}-further.tex"), to_latex(shown[1:], path.stem, 2))
    save_text(path.with_suffix(".html"), table_page(table, sheets))


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """As it is written."""
    return table.round({name: 10 if name in PROBABILITIES else 4 for name in table.select_dtypes("number")})


def names(text: str) -> dict[str, str]:
    """Names to names, from JSON."""
    return command.validated(dict[str, str], command.json_value(text), "an object of names, such as {}")
