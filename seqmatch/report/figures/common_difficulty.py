"""What each stage teaches of hard and easy real training images, on a split that all methods share."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.stats import t

from seqmatch.report.figures import captions
from seqmatch.report.figures.difficulty import NAMES
from seqmatch.report.figures.style import Style, legend_above, names_of, panels, styled
from seqmatch.report.tables.comparison import CONFIDENCE


def intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean loss after each stage, and half its 95 % confidence interval: Student's t, seeds are the unit.

    Args:
        rows: of one method and kind: `seed`, `stage`, `mean_loss`.

    Returns:
        By stage: `mean`, `half`.
    """
    spread = rows.groupby("stage")["mean_loss"].agg(["mean", "sem", "count"])
    spread["half"] = spread["sem"] * t.ppf(0.5 + CONFIDENCE / 2, spread["count"] - 1)
    return spread[["mean", "half"]]


@styled
def common_difficulty_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Mean loss on hard and on easy images after each stage, a line per method; those of one subset are points.

    Args:
        table: `results/common_difficulty.csv` of one data set and ipc: `method`, `seed`, `stage`, `difficulty`,
            `mean_loss`. Bars are 95 % confidence intervals over seeds.
    """
    names = names_of(table, "stage")
    looks = style.looks(names)
    figure, axes = panels({kind: NAMES[kind] for kind in NAMES if kind in set(table["difficulty"])}, style, 2.0,
                          sharey=False)  # fmt: skip
    for kind, panel in axes.items():
        for index, method in enumerate(names):
            of_method = intervals(table[(table["method"] == method) & (table["difficulty"] == kind)])
            aside = 0.06 * (index - (len(names) - 1) / 2)  # so that the bars do not hide each other
            panel.errorbar(of_method.index + aside, of_method["mean"], of_method["half"], marker="o", markersize=3,
                           capsize=2, elinewidth=0.8, **looks[method])  # fmt: skip
        panel.set(xlabel="stages used")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.margins(x=0.1)
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel("mean loss")
    handles = [Line2D([], [], marker="o", markersize=3, label=names[method], **looks[method]) for method in names]
    legend_above(figure, handles, style)
    return figure


def common_difficulty_caption(table: pd.DataFrame) -> str:
    """What `common_difficulty_figure` shows of a table."""
    return captions.sentences(
        f"Loss of real training images ({captions.where(table)}) after one stage of each synthetic set, two stages and "
        "so on",
        "Which images are hard is the same for all methods: k-means on their final losses, averaged over the methods "
        "and, for each seed, over the other seeds",
        f"Points are means over seeds, bars their {100 * CONFIDENCE:.0f} % confidence intervals (Student's t)",
        captions.counted(table),
    )
