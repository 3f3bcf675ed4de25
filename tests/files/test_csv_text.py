"""Tables keep text as text."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from helpers.names import NASTY

from seqmatch.files.csv_text import from_csv, text_columns, to_csv


def test_names_come_back_as_they_were_beside_numbers_and_gaps():
    numbers = np.arange(len(NASTY))
    table = pd.DataFrame(
        {"name": NASTY, "number": numbers / 7, "few": [None if index % 2 else "nan" for index in numbers]}
    )
    table["seed"] = pd.array([None if index % 2 else index for index in numbers], dtype="Int64")
    assert text_columns(table) == ["name", "few"]
    back = from_csv(to_csv(table).encode(), ["name", "few"])
    assert back["name"].tolist() == NASTY
    assert back["number"].tolist() == table["number"].tolist()
    assert back["few"].tolist()[0] == "nan" and back["few"].isna().tolist() == table["few"].isna().tolist()
    assert [group for group, _ in back.groupby("name", sort=False)] == NASTY
    pd.testing.assert_frame_equal(from_csv(to_csv(back).encode(), ["name", "few"]), back)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_whatever_separates_cells(separator):
    text = to_csv(pd.DataFrame({"name": NASTY, "number": -1.5}))
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    assert not [cell for cell in cells if cell.strip().startswith(tuple("=+-@＝＋－＠")) and cell != "-1.5"]
    assert ",-1.5\n" in text


def test_plain_tables_are_as_pandas_writes_them():
    table = pd.DataFrame({"method": ["mtt", "seqmatch-mtt"], "mean": [0.1, float("nan")], "K": [1, 2]})
    assert to_csv(table) == table.to_csv(index=False, lineterminator="\n")


def test_undecodable_names_are_written_with_backslashes():
    names = pd.Series(["caf\udce9"], dtype=object)  # strings by pyarrow, which pandas takes where it is, refuse them
    assert from_csv(to_csv(pd.DataFrame({"name": names})).encode(), ["name"])["name"].tolist() == ["caf\\udce9"]
