"""Losses of easy and hard real training images while networks learn (Fig. 1 of the paper)."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from seqmatch.report.figures.style import COLORS, STYLE, band, lines, logarithmic, mark_stages, panels


@mpl.rc_context(STYLE)
def difficulty_figure(table: pd.DataFrame) -> Figure:
    """Mean loss of easy and hard real training images against epochs, one panel per method (Fig. 1 of the paper).

    Args:
        table: `results/difficulty.csv` of one data set and ipc: `method`, `seed`, `network`, `stage`,
            `epoch`, `difficulty`, `share`, `mean_loss`. Lines are means over seeds and networks, bands one
            standard deviation; dashed lines mark where the next subset joins.
    """
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = panels(len(methods), 2.5, sharey=True)
    for panel, method in zip(axes, methods, strict=True):
        rows = table[table["method"] == method]
        for kind, color in zip(("easy", "hard"), COLORS, strict=False):
            of_kind = rows[rows["difficulty"] == kind]
            share = of_kind.groupby("seed")["share"].first().sum() / rows["seed"].nunique()
            band(panel, of_kind, "epoch", "mean_loss", color=color, label=f"{kind} ({share:.0%})")
        mark_stages(panel, rows)
        panel.set(title=lines(method), xlabel="epochs on the synthetic set")
        panel.margins(x=0.02)
        logarithmic(panel)
        panel.legend(loc="best")
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel("mean loss on real\ntraining images")
    return figure
