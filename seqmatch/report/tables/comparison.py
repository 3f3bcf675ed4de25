"""Paired comparison of methods: sequential ones with their backbones, and those that name what they are `against`."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from seqmatch.config.methods import display_name
from seqmatch.config.sections import ENOUGH_SEEDS
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import ComparisonRow
from seqmatch.report.tables.accuracy import CELL, RUN, cell_names, main_selections, method_names, on_matched
from seqmatch.report.tables.text import Sheet, signed

TITLE = "Paired differences of test accuracy"
LEVEL = 0.05
CONFIDENCE = 1 - LEVEL

LARGEST_ROUNDING = 2.5e-4
"""Points that equal differences can lie apart by, where accuracies are rounded to four decimals."""

PAIR = ["seed", "network"]

TESTS = (
    "Points of accuracy, over pairs of networks of equal distillation seed and number. With two or more seeds, "
    "interval and p (Student's t, two-sided) are of the seeds' mean differences, and empty where these are equal; q is "
    "p adjusted for all rows that are tested (Benjamini & Hochberg), and decides what is significant. With one seed "
    "interval and p are of networks: how sure the difference between these two synthetic sets is, not between the "
    "methods, which is then not tested."
)

COMPUTE = (
    " Compute: operations of a seed's teachers, distillation, selection and evaluation, divided by those of what it is "
    "compared with."
)

COLUMNS = ComparisonRow.required()


def comparison_table(
    accuracy: pd.DataFrame,
    contrasts: Iterable[tuple[str, str, str, str]],
    operations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Differences of accuracy between methods of a cell, over pairs of networks of equal seed and number.

    Networks of equal seed and number start alike and share their random draws, and methods of one distillation seed
    start from the same real images. What distillation adds is drawn once a seed, so the seed is the unit of
    independence: with two or more, interval and test are Student's t on the seeds' mean differences. With one, they are
    on the pairs of networks, and say nothing about other synthetic sets.

    Args:
        accuracy: one row per trained network, in percent; the main selection's snapshots on the matched network count.
        contrasts: (data set, ipc, method, baseline) each.
        operations: if they were counted, `own_gflop` of each cell's methods.

    Returns:
        One row per contrast: `dataset`, `ipc`, `method`, `K`, `baseline`, `difference` (method − baseline, in points),
        `low` and `high` (its 95 % confidence interval), `p` (two-sided; of no difference), `q` (of seeds without
        failures: p adjusted for all such rows, so that of those below a level so large a share is expected to be no
        difference; Benjamini & Hochberg 1995), `unit` (seeds or networks),
        `seeds`, `pairs`, `failed` (pairs that are left out, because a network of them failed), and with `operations`
        `compute` (those of the method, its experts aside, divided by the baseline's; empty where either was not
        counted). Interval and p are empty for a
        single pair and where all differences are equal; the difference too, where no pair is left.
    """
    cells = main_selections(on_matched(accuracy))
    rows = []
    for dataset, ipc, method, baseline in contrasts:
        ours, theirs = (rows_of(cells, (dataset, ipc, name)) for name in (method, baseline))
        row = {"dataset": dataset, "ipc": ipc, "method": method, "K": int(ours["K"].iloc[0]), "baseline": baseline}
        rows.append(row | paired(ours, theirs))
    table = adjusted(pd.DataFrame(rows, columns=COLUMNS))
    if operations is None:
        return table
    counted = operations.set_index(RUN)["own_gflop"]
    ours, theirs = (
        counted.reindex(pd.MultiIndex.from_frame(table[[*CELL, name]])).to_numpy() for name in ("method", "baseline")
    )
    return table.assign(compute=ours / theirs)


def paired(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, float | int | str]:
    """The difference of two methods over networks of equal seed and number: a row of `comparison_table`, but for q.

    Raises:
        SeqmatchError: there are no such pairs.
    """
    shared = _differences(ours, theirs)
    if shared.empty:
        raise SeqmatchError(
            f"{cell_names(ours).iloc[0]}: no networks of {ours['method'].iloc[0]} and {theirs['method'].iloc[0]} have "
            "equal seed and number"
        )
    pairs = shared.dropna()
    seeds = pairs.groupby("seed").mean()
    unit = "seeds" if len(seeds) > 1 else "networks"
    found = _student(seeds if unit == "seeds" else pairs)
    return found | {"unit": unit, "seeds": len(seeds), "pairs": len(pairs), "failed": len(shared) - len(pairs)}


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """The same with `q` of all rows that are tested."""
    tested = (table["unit"] == "seeds") & (table["failed"] == 0) & table["p"].notna()
    table = table.assign(q=float("nan"))
    if tested.any():
        table.loc[tested, "q"] = stats.false_discovery_control(table.loc[tested, "p"].astype(float), method="bh")
    return table


def rows_of(cells: Mapping[tuple[str, str, str], pd.DataFrame], key: tuple[str, str, str]) -> pd.DataFrame:
    """Those of a data set, ipc and method.

    Raises:
        SeqmatchError: there are none.
    """
    if key not in cells:
        dataset, ipc, method = key
        raise SeqmatchError(f"the tables have no accuracies of {method} on {dataset} at ipc {ipc}")
    return cells[key]


def _differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Of the networks that both have: methods may be evaluated with different numbers of them."""
    left, right = (rows.set_index(PAIR)["accuracy"] for rows in (ours, theirs))
    shared = left.index.intersection(right.index)
    return left[shared] - right[shared]


def _student(differences: pd.Series) -> dict[str, float]:
    values = differences.to_numpy()
    found = {"difference": differences.mean(), "low": np.nan, "high": np.nan, "p": np.nan}
    if len(values) == 0 or np.ptp(values) <= LARGEST_ROUNDING:
        return found
    test = stats.ttest_1samp(values, 0.0)
    interval = test.confidence_interval(CONFIDENCE)
    return found | {"low": interval.low, "high": interval.high, "p": test.pvalue}


def p_of_difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """p of the paired test of two methods' main selections over seeds; none where these are too few to tell."""
    seeds = _differences(ours, theirs).dropna().groupby("seed").mean()
    return _student(seeds)["p"] if len(seeds) >= ENOUGH_SEEDS else np.nan


def against_best(table: pd.DataFrame, accuracy: pd.DataFrame, group: Sequence[str]) -> list[float]:
    """p of each row's difference from the best of its group; none for that itself, and where networks failed.

    Args:
        table: one row per group and method.
        accuracy: of the networks that its rows are made of.
        group: columns of both.
    """
    keys = [*group, "method"]
    chosen = main_selections(accuracy, keys)
    fit = able(table)
    means = table["accuracy_mean"].where(fit)
    best = means.groupby([table[name] for name in group]).transform(
        lambda part: part.idxmax() if part.notna().any() else None
    )
    names = list(table[keys].itertuples(index=False, name=None))
    return [
        p_of_difference(chosen[names[row]], chosen[names[int(first)]]) if ours and first != row else np.nan
        for row, (first, ours) in enumerate(zip(best, fit, strict=True))
    ]


def not_told_from_best(table: pd.DataFrame, group: Sequence[str]) -> pd.Series:
    """Whether a row prints as the best of its group, or is not told from it by its `p_best`."""
    mean = table["accuracy_mean"].map("{:.1f}".format).astype(float).where(able(table))
    best = mean == mean.groupby([table[name] for name in group]).transform("max")
    return (best | (table["p_best"] >= LEVEL)) & able(table)


def able(table: pd.DataFrame) -> pd.Series:
    """All real data and failed networks aside."""
    return (table["K"] > 0) & (table["accuracy_failed"] == 0)


def best_in_words(table: pd.DataFrame) -> str:
    """What is bold."""
    tested = table["p_best"].notna().any()
    alike = f", and what a paired t-test over distillation seeds does not tell from it at {100 * LEVEL:.0f} %"
    few = "" if tested else f" With fewer than {ENOUGH_SEEDS} seeds no difference is tested."
    return f"In bold: the best of each column{alike if tested else ''}, training on all real data aside.{few}"


def comparison_sheets(table: pd.DataFrame) -> list[Sheet]:
    """The table for people; significant is only what was tested over seeds."""
    names = {
        "cell": cell_names(table),
        "method": method_names(table),
        "against": table["baseline"].map(display_name),
    }
    counted = (
        {"compute": ["" if pd.isna(ratio) else f"{ratio:.2f}" for ratio in table["compute"]]}
        if "compute" in table
        else {}
    )
    body = pd.DataFrame(names | tests(table) | counted)
    note = (
        TESTS + COMPUTE * bool(counted) if len(body) else "No method of more than one subset has a counterpart of one."
    )
    return [Sheet(TITLE, body, note + failures(table))]


def tests(table: pd.DataFrame) -> dict[str, list[str] | pd.Series]:
    """Columns for people of differences that were tested."""
    return {
        "difference": [signed(value) or "failed" for value in table["difference"]],
        f"{100 * CONFIDENCE:.0f} % interval": [_interval(row) for row in table.itertuples()],
        **{name: [_probability(value) for value in table[name]] for name in ("p", "q")},
        "of": table["unit"],
        "seeds": table["seeds"].astype(str),
        "pairs": [f"{row.pairs}" + f", {row.failed} failed" * (row.failed > 0) for row in table.itertuples()],
        "significant at 5 %": [_verdict(row) for row in table.itertuples()],
    }


def failures(table: pd.DataFrame) -> str:
    """What to know of pairs that failed."""
    left_out = " Pairs with a network that failed (its training diverged) are left out, and their row is not tested."
    return left_out if table["failed"].any() else ""


def _interval(row) -> str:
    return "" if pd.isna(row.low) else f"{signed(row.low)} to {signed(row.high)}"


def _probability(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _verdict(row) -> str:
    if pd.isna(row.q):
        return "not tested"
    return "yes" if row.q < LEVEL else "no"
