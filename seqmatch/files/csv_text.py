"""Tables as CSV that keeps text as text, for programs that read it back and for spreadsheets. Imports no pandas.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, in quotes or not. Such text is written
with an apostrophe before it, and so is text that begins with an apostrophe; reading takes one away. Numbers are left as
they are.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

BEGINNING = r"(?:^|(?<=[;\t\r\n]))"
"""Where a cell begins, also for a spreadsheet that takes another separator than the comma."""

FORMULA = re.compile(BEGINNING + r"(?=\s*['=+\-@＝＋－＠])")
MARK = re.compile(BEGINNING + "'")


def text_columns(table: "pd.DataFrame") -> list[str]:
    """The columns that hold text."""
    return [
        name for name in table.select_dtypes(exclude="number") if any(isinstance(cell, str) for cell in table[name])
    ]


def to_csv(table: "pd.DataFrame") -> str:
    """The table as CSV in Unicode; what has no Unicode, as undecodable names of files, is written with backslashes."""
    marked = table.assign(**{name: _each(table[name].astype(object), FORMULA, "'") for name in text_columns(table)})
    text = marked.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # which alone would end a row
        text = marked.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return text.encode(errors="backslashreplace").decode()


def from_csv(content: bytes, text: Iterable[str]) -> "pd.DataFrame":
    """The table that `to_csv` wrote; its columns of `text` are text, whatever they look like; empty cells are missing.

    Raises:
        ValueError: it is no CSV.
    """
    import pandas as pd

    types = dict.fromkeys(text, str)
    table = pd.read_csv(io.BytesIO(content), dtype=types, keep_default_na=False, na_values=[""])
    return table.assign(**{name: _each(table[name], MARK, "") for name in types if name in table})


def _each(column: "pd.Series", pattern: re.Pattern[str], replacement: str) -> "pd.Series":
    changed = [pattern.sub(replacement, cell) if isinstance(cell, str) else cell for cell in column]
    return type(column)(changed, index=column.index, dtype=column.dtype)
