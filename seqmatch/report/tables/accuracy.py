"""Accuracies of trained networks, which every table is made from."""

from collections.abc import Sequence

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.config.sections import FEW
from seqmatch.errors import SeqmatchError

CELL = ["dataset", "ipc"]
RUN = [*CELL, "method"]


def main_selection(cell: pd.DataFrame) -> pd.DataFrame:
    """The rows of one method in a cell whose accuracy is quoted.

    Those of the snapshot chosen on validation data where there is one, else of the last snapshot; never of one chosen
    on test data.

    Raises:
        SeqmatchError: there are neither.
    """
    for selection in ("validation", "last"):
        if (cell["selection"] == selection).any():
            return cell[cell["selection"] == selection]
    first = cell.iloc[0]
    raise SeqmatchError(
        f"{first['dataset']}, ipc {first['ipc']}: {first['method']} has accuracies of snapshots chosen on test data "
        "alone, which no table quotes; evaluate it with the selection `validation` or `last` too"
    )


def on_matched(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks of the architecture that was matched."""
    return accuracy[accuracy["architecture"] == accuracy["matched_on"]]


def main_selections(accuracy: pd.DataFrame, keys: Sequence[str] = RUN) -> dict[tuple, pd.DataFrame]:
    """`main_selection` of each method."""
    return {key: main_selection(rows) for key, rows in accuracy.groupby([*keys], sort=False)}


def spread(name: str, rows: pd.DataFrame) -> dict[str, float]:
    """Mean and sample standard deviation of the accuracies in `rows`, and how many networks failed and have none."""
    accuracy = rows["accuracy"]
    return {
        f"{name}_mean": accuracy.mean(),
        f"{name}_std": accuracy.std(ddof=1),
        f"{name}_failed": int(accuracy.isna().sum()),
    }


def basis(rows: pd.DataFrame) -> dict[str, int]:
    """What the snapshots of `rows`, of one method, were selected on: the images, fewest first; sets that are partly
    undistilled; and the numbers that a set stores, at most, and that images of its ipc have."""
    sets = rows.drop_duplicates("seed")
    return {
        "selected_on": int(sets["selected_on"].min()),
        "undistilled": int((sets["undistilled"] > 0).sum()),
        "stored_numbers": int(sets["stored_numbers"].max()),
        "image_numbers": sets["image_numbers"].max() if "image_numbers" in sets else None,
    }


def notes(table: pd.DataFrame) -> list[str]:
    """What to know of the entries of a table with the columns of `spread("accuracy", …)` and `basis`."""
    failed = int(table["accuracy_failed"].sum())
    few = table[table["selected_on"].between(1, FEW - 1)]
    initial = table[table["undistilled"] > 0]
    images = table.get("image_numbers", table["stored_numbers"])  # of which tables of earlier versions tell nothing
    other = table[images.notna() & (table["stored_numbers"] != images)]
    texts = []
    if failed:
        texts.append(
            f"Networks that failed, because their training diverged: {failed}; no mean has them, no such entry is bold."
        )
    if len(few):
        texts.append(
            f"Selected on fewer than {FEW} validation images, which says little: "
            f"{_listed(few, 'selected_on', 'images')}."
        )
    if len(initial):
        texts.append(
            "A subset's selected snapshot is its initial, real images, so that nothing of it is distilled: "
            f"{_listed(initial, 'undistilled', 'seeds')}."
        )
    if len(other):
        texts.append(
            "A set that stores other numbers than images of its ipc have, because a decoder or soft labels are stored "
            f"with it: {_listed(other, 'stored_numbers', 'numbers')}."
        )
    return texts


def _listed(rows: pd.DataFrame, column: str, unit: str) -> str:
    """Methods by cell, each once, with a number."""
    names = cell_names(rows) + " " + method_names(rows) + f" ({unit}: " + rows[column].astype(str) + ")"
    return ", ".join(dict.fromkeys(names))


def in_order(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Rows by cell in the order of their first appearance, and within one as `methods` has them."""
    ranks = {method: index for index, method in enumerate(methods)}
    keys = pd.DataFrame({"cell": pd.factorize(cell_names(table))[0], "method": table["method"].map(ranks)}, table.index)
    return table.loc[keys.sort_values(["cell", "method"], kind="stable").index].reset_index(drop=True)


def cell_names(table: pd.DataFrame) -> pd.Series:
    """Data set and images per class, as people read them."""
    return table["dataset"] + " ipc " + table["ipc"].astype(str)


def method_names(table: pd.DataFrame) -> pd.Series:
    """Methods as papers write them, with their number of subsets where there is more than one."""
    return pd.Series(map(display_name, table["method"], table["K"]), table.index, dtype=object)
