"""Methods compared fairly: what their images gain over random ones, and what they lack of all real data.

After DD-Ranking: hard-label recovery (HLR) and improvement over random (IOR). What a method gains by its evaluation,
its step size or its labels is in none of them.
"""

from collections.abc import Sequence

import pandas as pd

from seqmatch.report.tables.accuracy import RUN, cell_names, in_order, main_selection, method_names, on_matched
from seqmatch.report.tables.comparison import PAIR
from seqmatch.report.tables.text import Sheet, mean_std, signed

TITLE = "Improvement over random images, and hard-label recovery"
WHOLE = "whole"


def fair_table(accuracy: pd.DataFrame, baselines: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Every method of every cell, on the network that was matched.

    Improvement is the mean difference of networks of equal seed and number that learned from the set, and from random
    real images of the same ipc, in the same stages, under the same evaluation and step sizes. Recovery is the accuracy
    of all real data (`whole`) less that of the set with class labels, which take the place of soft ones.

    Args:
        accuracy: one row per trained network, in percent.
        baselines: as `scripts/evaluate_baselines.py` writes them.
        order: method names, top to bottom.

    Returns:
        One row per method in a cell: `dataset`, `ipc`, `method`, `K`, `architecture`, `labels` (of the random images:
        class or soft), mean accuracies of the set (`accuracy_mean`), of random images (`random_mean`), of the set with
        class labels (`class_labels_mean`) and of all real data (`whole_mean`), in percent; `improvement_mean`,
        `recovery_mean` in points, and `improvement_std`, `recovery_std`, sample standard deviations over distillation
        seeds; `seeds` (those that improvement is of; without any, all); `failed` (networks without an accuracy, whose
        pairs are left out). What there is nothing to compare with is empty.
    """
    own = on_matched(accuracy)
    wholes = own[own["method"] == WHOLE].groupby(["dataset", "architecture"])["accuracy"].mean()
    beside = dict(list(baselines.groupby(RUN, sort=False)))
    rows = []
    for (dataset, ipc, method), cell in own.groupby(RUN, sort=False):
        architecture = cell["architecture"].iloc[0]
        alike = beside.get((dataset, ipc, method), baselines.iloc[:0])
        ours = main_selection(cell).set_index(PAIR)["accuracy"]
        random, hard = (
            alike[alike["baseline"] == name].set_index(PAIR)["accuracy"] for name in ("random", "class-labels")
        )
        failed = sum(int(found.isna().sum()) for found in (ours, random, hard))
        hard = ours if hard.empty else hard
        whole = wholes.get((dataset, architecture), float("nan"))
        improvement = (ours - random).dropna().groupby("seed").mean()
        recovery = whole - hard.groupby("seed").mean()
        row = {
            "dataset": dataset,
            "ipc": ipc,
            "method": method,
            "K": int(cell["K"].iloc[0]),
            "architecture": architecture,
            "labels": alike.loc[alike["baseline"] == "random", "labels"].iloc[0] if len(random) else "",
            "accuracy_mean": ours.mean(),
            "random_mean": random.mean(),
            "improvement_mean": improvement.mean(),
            "improvement_std": improvement.std(ddof=1),
            "class_labels_mean": hard.mean(),
            "whole_mean": whole,
            "recovery_mean": recovery.mean(),
            "recovery_std": recovery.std(ddof=1),
            "seeds": len(improvement) or ours.index.get_level_values("seed").nunique(),
            "failed": failed,
        }
        rows.append(row)
    return in_order(pd.DataFrame(rows), order)


def fair_sheets(table: pd.DataFrame) -> list[Sheet]:
    """The table for people."""

    def percent(name: str) -> list[str]:
        return [mean_std(mean) for mean in table[f"{name}_mean"]]

    body = pd.DataFrame(
        {
            "cell": cell_names(table),
            "method": method_names(table),
            "accuracy": percent("accuracy"),
            "random images alike": percent("random"),
            "improvement (IOR)": [
                _signed(mean, std)
                for mean, std in zip(table["improvement_mean"], table["improvement_std"], strict=True)
            ],
            "with class labels": percent("class_labels"),
            "all real images": percent("whole"),
            "recovery (HLR)": [
                _signed(mean, std) for mean, std in zip(table["recovery_mean"], table["recovery_std"], strict=True)
            ],
            "labels": table["labels"],
            "seeds": table["seeds"].astype(str),
        }
    )
    note = (
        "Accuracy in percent after the last epoch; IOR and HLR in points, mean ± standard deviation over distillation "
        "seeds. IOR, the larger the better: the set against random real images of the same ipc and kind of labels, "
        "under the same evaluation and step sizes, over pairs of networks of equal seed and number. HLR, the smaller "
        "the better: all real images (whole) less the set with class labels."
    )
    if table["whole_mean"].isna().any():
        note += " HLR is empty where the experiment has no `whole` of the same data set and architecture."
    if table["failed"].any():
        note += f" Networks that failed, because their training diverged: {table['failed'].sum()}; they are left out."
    return [Sheet(TITLE, body, note)]


def _signed(mean: float, std: float) -> str:
    """Points to one decimal."""
    return signed(mean) + ("" if pd.isna(std) else f" ± {std:.1f}")
