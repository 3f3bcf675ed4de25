"""Losses of easy and hard real training images while networks learn (Fig. 1 of the paper)."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqmatch.report.figures import captions
from seqmatch.report.figures.style import (
    KINDS,
    Style,
    band,
    legend_above,
    logarithmic,
    mark_stages,
    names_of,
    panels,
    styled,
)

NAMES = {"hard": "hard images", "easy": "easy images"}


@styled
def difficulty_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Mean loss of easy and hard real training images against epochs, one panel per method (Fig. 1 of the paper).

    Args:
        table: `results/difficulty.csv` of one data set and ipc: `method`, `seed`, `network`, `stage`,
            `epoch`, `difficulty`, `share`, `mean_loss`. Lines are means over seeds and networks, bands one
            standard deviation; dashed lines mark where the next subset joins.
    """
    spans = table.groupby("method")["epoch"].max().to_dict()
    figure, axes = panels(names_of(table, "stage"), style, 1.8, spans)
    for method, panel in axes.items():
        rows = table[table["method"] == method]
        for kind, color in KINDS.items():
            band(panel, rows[rows["difficulty"] == kind], "epoch", "mean_loss", color=color, marker="o", markersize=1.5)
        mark_stages(panel, rows)
    logarithmic(next(iter(axes.values())))
    figure.supxlabel("epochs on the synthetic set", fontsize=style.size)
    figure.supylabel("mean loss", fontsize=style.size)
    legend_above(figure, [Line2D([], [], color=color, label=NAMES[kind]) for kind, color in KINDS.items()], style)
    return figure


def difficulty_caption(table: pd.DataFrame) -> str:
    """What `difficulty_figure` shows of a table."""
    names = names_of(table, "stage")
    hard = table[table["difficulty"] == "hard"]
    shares = hard.groupby(["method", "seed"], sort=False)["share"].first().groupby("method").sum()
    shares /= table.groupby("method")["seed"].nunique()
    ends = hard[hard["epoch"] == hard.groupby("method")["epoch"].transform("max")].groupby("method")["mean_loss"].mean()
    listed = ", ".join(
        f"{100 * shares.get(method, 0):.0f} % of all and {ends.get(method, 0):.2f} for {names[method]}"
        for method in names
    )
    return captions.sentences(
        f"Loss of real training images ({captions.where(table)}) while networks learn from the synthetic sets",
        "K-means on the losses of a seed tells hard images from easy ones",
        "Lines are means over seeds and networks, bands one standard deviation; dashed lines mark where the next "
        "subset joins, and an epoch is as wide in every panel",
        f"Share of hard images, and their mean loss at the end: {listed}",
        captions.counted(table),
    )
