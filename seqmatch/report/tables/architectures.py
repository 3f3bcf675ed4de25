"""Table 2: how the synthetic sets do on other architectures than the one they were distilled with."""

from collections.abc import Sequence

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.report.tables.accuracy import (
    CELL,
    RUN,
    basis,
    cell_names,
    in_order,
    main_selection,
    method_names,
    notes,
    spread,
)
from seqmatch.report.tables.comparison import against_best, best_in_words, not_told_from_best
from seqmatch.report.tables.text import Sheet, bold, grid, interleaved, means_stds

TITLE = "Table 2: test accuracy in percent on other architectures, mean ± standard deviation over networks"
BY_ARCHITECTURE = [*CELL, "architecture"]


def architectures_table(accuracy: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Cross-architecture accuracy of what the main selection chose.

    Returns:
        One row per method, cell and architecture: `dataset`, `ipc`, `method`, `K`, `matched_on`,
        `architecture`, `selection`, `accuracy_mean`, `accuracy_std`, `accuracy_failed` (networks without an accuracy,
        which are in no mean), `networks`, `seeds`, `selected_on` (images that chose a snapshot), `undistilled` (seeds
        with a subset that is its initial images), `p_best` (as of `methods_table`, in the column of an architecture).
    """
    rows = []
    for (dataset, ipc, method), cell in accuracy.groupby(RUN, sort=False):
        for architecture, trained in main_selection(cell).groupby("architecture", sort=False):
            row = {
                "dataset": dataset,
                "ipc": ipc,
                "method": method,
                "K": int(cell["K"].iloc[0]),
                "matched_on": cell["matched_on"].iloc[0],
                "architecture": architecture,
                "selection": trained["selection"].iloc[0],
                **spread("accuracy", trained),
                "networks": len(trained),
                "seeds": trained["seed"].nunique(),
                **basis(trained),
            }
            rows.append(row)
    table = in_order(pd.DataFrame(rows), order)
    return table.assign(p_best=against_best(table, accuracy, BY_ARCHITECTURE))


def architectures_sheets(table: pd.DataFrame, compared: pd.DataFrame) -> list[Sheet]:
    """One row per method in a cell, one column per architecture; under it its published numbers.

    Args:
        table: as `architectures_table` returns it.
        compared: published numbers beside these, as `seqmatch.report.published.beside_architectures` returns them.
    """
    text = bold(means_stds(table, "accuracy"), not_told_from_best(table, BY_ARCHITECTURE))
    own = pd.DataFrame(
        {
            "method": cell_names(table) + ": " + table["method"],
            "row": cell_names(table) + ": " + method_names(table),
            "column": table["architecture"],
            "text": text,
        }
    )
    listed = compared[compared["published_mean"].notna()]
    theirs = pd.DataFrame(
        {
            "method": cell_names(listed) + ": " + listed["method"],
            "row": cell_names(listed) + ": " + listed["method"].map(display_name) + ", published",
            "column": listed["run_architecture"],
            "text": means_stds(listed, "published"),
        }
    )
    body = grid(interleaved(own, theirs), own["column"].unique(), corner="cell: method")
    counts = ", ".join(f"{n}" for n in sorted(table["networks"].unique()))
    texts = [f"Networks for each entry: {counts}.", best_in_words(table), *notes(table)]
    return [Sheet(TITLE, body, " ".join(texts))]
