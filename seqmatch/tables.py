"""The paper's tables from accuracies: plain functions of data frames."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seqmatch.errors import SeqmatchError
from seqmatch.store import load_table

CELL = ["dataset", "ipc", "method"]
ACCURACY_COLUMNS = [*CELL, "K", "matched_on", "architecture", "seed", "selection", "network", "accuracy", "seconds"]


def read_accuracies(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables that `scripts/evaluate.py` wrote, one below the other: one row a trained network.

    Raises:
        SeqmatchError: a file is not such a table.
    """
    return pd.concat([_read_accuracy(path) for path in paths], ignore_index=True)


def _read_accuracy(path: Path) -> pd.DataFrame:
    table = load_table(path)
    missing = [column for column in ACCURACY_COLUMNS if column not in table]
    if missing:
        raise SeqmatchError(f"{path}: not a table of accuracies; it has no column {', '.join(missing)}")
    return table


def table1(accuracy: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Methods by data set and images per class, on the network that was matched.

    Args:
        accuracy: one row a trained network, accuracy in percent.
        order: method names, top to bottom.

    Returns:
        One row a method in a cell: `dataset`, `ipc`, `method`, `K`, `network`, `selection` (what chose the
        headline's snapshot), `accuracy_mean`, `accuracy_std` (sample standard deviation over networks, all
        seeds pooled), `std_between_seeds` (of the seeds' means), `networks`, `seeds`, and mean and std of
        `last` (the last snapshot) and `test_selected` (chosen on test data: optimistic).
    """
    own = accuracy[accuracy["architecture"] == accuracy["matched_on"]]
    rows = []
    for (dataset, ipc, method), cell in own.groupby(CELL, sort=False):
        selection = headline(cell)
        chosen = cell[cell["selection"] == selection]
        row = {
            "dataset": dataset,
            "ipc": ipc,
            "method": method,
            "K": int(cell["K"].iloc[0]),
            "network": cell["architecture"].iloc[0],
            "selection": selection,
        }
        row |= _spread("accuracy", chosen)
        row |= {"std_between_seeds": chosen.groupby("seed")["accuracy"].mean().std(ddof=1)}
        row |= {"networks": len(chosen), "seeds": chosen["seed"].nunique()}
        row |= _spread("last", cell[cell["selection"] == "last"])
        row |= _spread("test_selected", cell[cell["selection"] == "test"])
        rows.append(row)
    table = pd.DataFrame(rows)
    return _in_order(table, order)


def table2(accuracy: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Cross-architecture accuracy of what the headline's selection chose.

    Returns:
        One row a method, cell and architecture: `dataset`, `ipc`, `method`, `K`, `matched_on`,
        `architecture`, `selection`, `accuracy_mean`, `accuracy_std`, `networks`, `seeds`.
    """
    rows = []
    for (dataset, ipc, method), cell in accuracy.groupby(CELL, sort=False):
        selection = headline(cell)
        for architecture, trained in cell[cell["selection"] == selection].groupby("architecture", sort=False):
            row = {
                "dataset": dataset,
                "ipc": ipc,
                "method": method,
                "K": int(cell["K"].iloc[0]),
                "matched_on": cell["matched_on"].iloc[0],
                "architecture": architecture,
                "selection": selection,
            }
            counts = {"networks": len(trained), "seeds": trained["seed"].nunique()}
            rows.append(row | _spread("accuracy", trained) | counts)
    return _in_order(pd.DataFrame(rows), order)


def headline(cell: pd.DataFrame) -> str:
    """The selection whose accuracy is quoted: validation where there is one, else the last snapshot; never test."""
    return "validation" if "validation" in set(cell["selection"]) else "last"


def markdown1(table: pd.DataFrame) -> str:
    """Table 1 as Markdown: a row a method, a column a cell, the best distilled or selected one in bold."""
    columns = _cell_names(table)
    best = table["accuracy_mean"].where(table["K"] > 0).groupby(columns).transform("max")
    text = [f"{t} ({n})" for t, n in zip(_accuracies(table, best), table["networks"], strict=True)]
    body = _grid(_method_names(table), columns, text, corner="method (networks)")
    lines = [
        "# Table 1: test accuracy in percent, mean ± standard deviation over networks",
        "",
        body,
        "",
        "Best of each column (to the digits printed) in bold, `whole` (training on all real data) aside. Snapshots are "
        "chosen on a validation split held out of the training data; where there is none, the last one is taken.",
        "",
        "## The same by how the snapshot of the last subset is chosen",
        "",
        _protocols(table, columns),
        "",
        "*Chosen on test data* is the usual protocol of the field; it is optimistic and shown for comparison only. "
        "It applies to the last subset: the earlier ones, after which that was distilled, are the headline's.",
    ]
    return "\n".join(lines) + "\n"


def markdown2(table: pd.DataFrame) -> str:
    """Table 2 as Markdown: a row a method in a cell, a column an architecture, the best of each cell in bold."""
    cell = [table["dataset"], table["ipc"], table["architecture"]]
    best = table["accuracy_mean"].where(table["K"] > 0).groupby(cell).transform("max")
    rows = _cell_names(table) + ": " + table["method"]
    body = _grid(rows, table["architecture"], _accuracies(table, best), corner="")
    title = "# Table 2: test accuracy in percent on other architectures, mean ± standard deviation over networks"
    counts = ", ".join(f"{n}" for n in sorted(table["networks"].unique()))
    note = f"Networks for each entry: {counts}. Best of each column (to the digits printed) in bold."
    return f"{title}\n\n{body}\n\n{note}\n"


def _accuracies(table: pd.DataFrame, best: pd.Series) -> list[str]:
    """Mean ± std of each row, in bold where it prints as `best` does."""
    return [
        _mean_std(row, "accuracy", round(row["accuracy_mean"], 1) == round(top, 1))
        for (_, row), top in zip(table.iterrows(), best, strict=True)
    ]


def _grid(rows: pd.Series, columns: pd.Series, text: list[str], corner: str) -> str:
    """A Markdown table of `text`, rows and columns in the order of their first appearance."""
    frame = pd.DataFrame({"row": rows, "column": columns, "text": text})
    wide = frame.pivot(index="row", columns="column", values="text")
    return wide.loc[rows.unique(), columns.unique()].fillna("").rename_axis(corner).to_markdown()


def _protocols(table: pd.DataFrame, columns: pd.Series) -> str:
    shown = table[(table["selection"] != "last") | table["test_selected_mean"].notna()]
    if shown.empty:
        return "No method chose among snapshots."
    frame = pd.DataFrame(
        {
            "cell": columns[shown.index],
            "method": _method_names(shown),
            "headline": [_mean_std(row, "accuracy") for _, row in shown.iterrows()],
            "chosen by": shown["selection"],
            "last snapshot": [_mean_std(row, "last") for _, row in shown.iterrows()],
            "chosen on test data": [_mean_std(row, "test_selected") for _, row in shown.iterrows()],
        }
    )
    return frame.to_markdown(index=False)


def _mean_std(row: pd.Series, name: str, best: bool = False) -> str:
    mean, std = row[f"{name}_mean"], row[f"{name}_std"]
    if pd.isna(mean):
        return ""
    text = f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ± {std:.1f}"
    return f"**{text}**" if best else text


def _method_names(table: pd.DataFrame) -> pd.Series:
    return table["method"].where(table["K"] < 2, table["method"] + " (K = " + table["K"].astype(str) + ")")


def _cell_names(table: pd.DataFrame) -> pd.Series:
    return table["dataset"] + " ipc " + table["ipc"].astype(str)


def _spread(name: str, rows: pd.DataFrame) -> dict[str, float]:
    return {f"{name}_mean": rows["accuracy"].mean(), f"{name}_std": rows["accuracy"].std(ddof=1)}


def _in_order(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    rank = {method: index for index, method in enumerate(order)}
    cells = {name: index for index, name in enumerate(dict.fromkeys(_cell_names(table)))}
    keys = pd.DataFrame({"cell": _cell_names(table).map(cells), "method": table["method"].map(rank)})
    return table.loc[keys.sort_values(["cell", "method"], kind="stable").index].reset_index(drop=True)
