"""Published accuracies against ours."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from seqmatch.report.figures.style import COLORS, ONE_COLUMN, STYLE

MARKERS = "osD^vPX*<>"
MARGIN = 4.0
"""Points around what is drawn."""


@mpl.rc_context(STYLE)
def agreement_figure(table: pd.DataFrame) -> Figure:
    """Our accuracy against the published one: a point per cell, bars of one standard deviation, and the diagonal.

    Args:
        table: as `seqmatch.report.agreement.agreement` returns it; cells without a published number are left out.
    """
    shown = table[table["published_mean"].notna()]
    figure = Figure(figsize=(ONE_COLUMN, ONE_COLUMN + 0.5))
    panel = figure.subplots()
    methods = list(dict.fromkeys(shown["method"]))
    for index, method in enumerate(methods):
        rows = shown[shown["method"] == method]
        panel.errorbar(rows["published_mean"], rows["accuracy_mean"], rows["accuracy_std"].fillna(0),
                       rows["published_std"].fillna(0), fmt=MARKERS[index % len(MARKERS)], markersize=4, capsize=2,
                       elinewidth=0.8, color=COLORS[index % len(COLORS)], label=method)  # fmt: skip
    ends = shown[["published_mean", "accuracy_mean"]]
    low, high = ends.min(axis=None) - MARGIN, ends.max(axis=None) + MARGIN
    panel.plot((low, high), (low, high), color="0.6", linewidth=0.8, zorder=0)
    panel.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="published accuracy, %", ylabel="ours, %")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
