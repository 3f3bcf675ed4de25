"""The forms that every table is written in: CSV, Markdown, LaTeX, and a page for the report."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqmatch.files.store import save_table, save_text
from seqmatch.report.html import table_page
from seqmatch.report.tables.text import Sheet, to_latex, to_markdown


def add_forms(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--csv", type=Path, required=True, help="table to write, with every digit")
    arguments.add_argument("--markdown", type=Path, required=True, help="its Markdown form")
    arguments.add_argument("--latex", type=Path, required=True, help="its LaTeX form (booktabs)")
    arguments.add_argument("--html", type=Path, required=True, help="its form for the report")


def add_published(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--published", type=Path, required=True, help="list of published numbers")
    arguments.add_argument(
        "--sources", type=names, default={}, metavar="JSON", help="published data set that each of the run's holds"
    )


def add_networks(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--networks", type=names, default={}, metavar="JSON", help="name that publications have for each architecture"
    )


def write(args: argparse.Namespace, table: pd.DataFrame, header: dict[str, Any], sheets: Sequence[Sheet]) -> None:
    """A tidy table and what people read of it, to the paths that `add_forms` asks for."""
    save_table(args.csv, table.round(4), header)
    save_text(args.markdown, to_markdown(sheets))
    save_text(args.latex, to_latex(sheets, args.csv.stem))
    save_text(args.html, table_page(table, sheets))


def names(text: str) -> dict[str, str]:
    """Names to names, from JSON."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("expected an object, such as {}")
    return found
