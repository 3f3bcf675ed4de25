"""Published numbers against runs of ours that are meant to reproduce them."""

import pandas as pd

from seqmatch.errors import SeqmatchError
from seqmatch.report.tables.accuracy import RUN, cell_names
from seqmatch.report.tables.text import mean_std, means_stds, signed

LEAST_BOUND = 2.0
"""Points that a mean may differ by, however small the published deviation is."""
DEVIATIONS = 2.0
"""Published standard deviations that it may differ by, where these are more."""

DIFFERENT = ["data", "experts", "iterations", "other"]
"""Columns that say what is not as published."""


def agreement(ours: pd.DataFrame, cells: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Each cell's published number and ours, the difference, and whether it is within the bound.

    Args:
        ours: as `seqmatch.report.tables.methods.methods_table` returns it, with a column `pflop`; cells that are not in
            it are left out.
        cells: one row per cell, `RUN`; `published_method`, `published_dataset` and `reference` of the published
            number, empty where there is none; and `DIFFERENT`.
        published: as `seqmatch.report.published.read_published` gives it.

    Returns:
        In the order of `cells`: `RUN`, `published_mean`, `published_std`, `reference`; ours, with `accuracy_mean`,
        `accuracy_std` (over networks), `accuracy_failed` (networks that failed, which are in no mean),
        `std_between_seeds`, `test_selected_mean`, `networks`, `seeds`; `difference` in points, `within` (`yes`; `no`,
        also where a network failed; empty without a published number), `pflop` and `DIFFERENT`.

    Raises:
        SeqmatchError: a published number that a cell names is not there once.
    """
    kept = ["accuracy_mean", "accuracy_std", "accuracy_failed", "std_between_seeds", "test_selected_mean",
            "networks", "seeds"]  # fmt: skip
    both = cells.merge(ours[[*RUN, *kept, "pflop"]], on=RUN)
    found = [_published(cell, published) for cell in both.to_dict("records")]
    both["published_mean"], both["published_std"] = zip(*found, strict=True) if found else ((), ())
    both["difference"] = both["accuracy_mean"] - both["published_mean"]
    bound = (DEVIATIONS * both["published_std"]).fillna(0).clip(lower=LEAST_BOUND)
    within = (both["difference"].abs() <= bound) & (both["accuracy_failed"] == 0)
    both["within"] = within.map({True: "yes", False: "no"}).where(both["published_mean"].notna(), "")
    theirs = ["published_mean", "published_std", "reference"]
    return both[[*RUN, *theirs, *kept, "difference", "within", "pflop", *DIFFERENT]]


def _published(cell: dict[str, str], published: pd.DataFrame) -> tuple[float, float]:
    if not cell["published_method"]:
        return float("nan"), float("nan")
    wanted = {"method": cell["published_method"], "dataset": cell["published_dataset"], "source": cell["reference"]}
    rows = published[(published["ipc"] == cell["ipc"]) & (published[list(wanted)] == list(wanted.values())).all(axis=1)]
    if len(rows) != 1:
        raise SeqmatchError(f"{wanted}, ipc {cell['ipc']}: expected one such published number, found {len(rows)}")
    return tuple(rows[["accuracy_mean", "accuracy_std"]].iloc[0])


def agreement_body(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `agreement` as people read it: of text alone."""
    ours = [
        f"{accuracy} ({networks}, {seeds})"
        for accuracy, networks, seeds in zip(means_stds(table), table["networks"], table["seeds"], strict=True)
    ]
    return pd.DataFrame(
        {
            "cell": cell_names(table),
            "method": table["method"],
            "published": means_stds(table, "published"),
            "ours (networks, seeds)": ours,
            "between seeds": [mean_std(std) for std in table["std_between_seeds"]],
            "chosen on test data": [mean_std(mean) for mean in table["test_selected_mean"]],
            "difference": [signed(points) for points in table["difference"]],
            "within": table["within"],
            "PFLOP": [f"{pflop:.2f}" for pflop in table["pflop"]],
            "not as published": [_different(row) for row in table[DIFFERENT].to_dict("records")],
        }
    )


def _different(row: dict[str, str]) -> str:
    named = {name: f"{name}: {text}" if name in ("experts", "iterations") else text for name, text in row.items()}
    return "; ".join(named[name] for name, text in row.items() if text)
