"""The first subsets of a sequential set as a set of their own, against one that was made directly at that size."""

from collections.abc import Iterable

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.errors import SeqmatchError
from seqmatch.report.tables.accuracy import RUN, cell_names, main_selections, on_matched
from seqmatch.report.tables.comparison import TESTS, adjusted, failures, paired, rows_of, tests
from seqmatch.report.tables.text import Sheet, mean_std

TITLE = "First subsets as sets of their own, against sets made directly at their size"
COLUMNS = ["dataset", "ipc", "method", "stages", "size", "baseline", "prefix_mean", "baseline_mean", "difference",
           "low", "high", "p", "q", "unit", "seeds", "pairs", "failed"]  # fmt: skip

Prefix = tuple[str, str, str, int, int, str]
"""Data set, ipc, sequential method, how many of its subsets, their images per class together, and the method of one
subset that made as many."""


def prefixes_table(stages: pd.DataFrame, accuracy: pd.DataFrame, prefixes: Iterable[Prefix]) -> pd.DataFrame:
    """What networks learn from S_1 … S_k alone, less what they learn from a set of as many images.

    Args:
        stages: accuracies by stage, as `scripts/measure_stages.py` writes them, in percent.
        accuracy: of the methods of one subset, one row per network; the main selection on the matched network counts.
        prefixes: what is compared.

    Raises:
        SeqmatchError: there is nothing to compare a prefix with.

    Returns:
        One row per prefix: `dataset`, `ipc`, `method`, `stages` (k), `size` (images per class), `baseline`, both mean
        accuracies, and what `comparison_table` has of their difference.
    """
    direct = main_selections(on_matched(accuracy))
    chains = dict(list(stages[stages["curriculum"] == "union"].groupby(RUN, sort=False)))
    rows = []
    for dataset, ipc, method, count, size, baseline in prefixes:
        ours, theirs = rows_of(chains, (dataset, ipc, method)), rows_of(direct, (dataset, str(size), baseline))
        ours = ours[ours["stages"] == count]
        if ours.empty:
            raise SeqmatchError(f"{dataset}, ipc {ipc}: {method} has no accuracies after {count} stages")
        row = {"dataset": dataset, "ipc": ipc, "method": method, "stages": count, "size": size, "baseline": baseline}
        means = {"prefix_mean": ours["accuracy"].mean(), "baseline_mean": theirs["accuracy"].mean()}
        rows.append(row | means | paired(ours, theirs))
    return adjusted(pd.DataFrame(rows, columns=COLUMNS))


def prefixes_sheets(table: pd.DataFrame) -> list[Sheet]:
    """The table for people."""
    names = {
        "set": cell_names(table) + " " + table["method"].map(display_name),
        "subsets": [f"the first {count}" for count in table["stages"]],
        "ipc": table["size"].astype(str),
        "accuracy": [mean_std(mean) or "failed" for mean in table["prefix_mean"]],
        "made directly": [
            f"{mean_std(mean) or 'failed'} ({display_name(name)})"
            for mean, name in zip(table["baseline_mean"], table["baseline"], strict=True)
        ],
    }
    return [Sheet(TITLE, pd.DataFrame(names | tests(table)), TESTS + failures(table))]
