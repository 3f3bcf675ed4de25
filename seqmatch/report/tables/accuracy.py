"""Accuracies of trained networks, which every table is made from."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_table

CELL = ["dataset", "ipc"]


def read_accuracies(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables that `scripts/evaluate.py` wrote, one below the other: one row per trained network.

    Raises:
        SeqmatchError: a file is not such a table.
    """
    return pd.concat([load_table(path, Accuracy) for path in paths], ignore_index=True)


def main_selection(cell: pd.DataFrame) -> pd.DataFrame:
    """The rows of one method in a cell whose accuracy is quoted.

    Those of the snapshot chosen on validation data where there is one, else of the last snapshot; never of one chosen
    on test data.
    """
    chosen = "validation" if "validation" in set(cell["selection"]) else "last"
    return cell[cell["selection"] == chosen]


def spread(name: str, rows: pd.DataFrame) -> dict[str, float]:
    """Mean and sample standard deviation of the accuracies in `rows`, as two columns."""
    return {f"{name}_mean": rows["accuracy"].mean(), f"{name}_std": rows["accuracy"].std(ddof=1)}


def in_order(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Rows by cell in the order of their first appearance, and within one as `methods` has them."""
    ranks = {method: index for index, method in enumerate(methods)}
    cells = {name: index for index, name in enumerate(dict.fromkeys(cell_names(table)))}
    keys = pd.DataFrame({"cell": cell_names(table).map(cells), "method": table["method"].map(ranks)})
    return table.loc[keys.sort_values(["cell", "method"], kind="stable").index].reset_index(drop=True)


def cell_names(table: pd.DataFrame) -> pd.Series:
    """Data set and images per class, as people read them."""
    return table["dataset"] + " ipc " + table["ipc"].astype(str)


def method_names(table: pd.DataFrame) -> pd.Series:
    """Methods, with their number of subsets where there is more than one."""
    return table["method"].where(table["K"] < 2, table["method"] + " (K = " + table["K"].astype(str) + ")")


def best_of(table: pd.DataFrame, column: list[pd.Series]) -> pd.Series:
    """Whether a row prints as the best of its `column`, `whole` (all real data) aside."""
    mean = table["accuracy_mean"].round(1)
    return mean == mean.where(table["K"] > 0).groupby(column).transform("max")
