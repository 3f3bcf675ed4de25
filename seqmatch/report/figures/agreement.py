"""Published accuracies against ours."""

import pandas as pd
from matplotlib.figure import Figure

from seqmatch.report.figures.style import Style, legend_above, names_of, styled

MARKERS = "osD^vPX*<>"
MARGIN = 4.0
"""Points around what is drawn."""


@styled
def agreement_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Our accuracy against the published one: a point per cell, bars of one standard deviation, and the diagonal.

    Args:
        table: as `seqmatch.report.agreement.agreement` returns it; cells without a published number are left out, and
            those whose networks all failed.
    """
    shown = table[table["published_mean"].notna() & table["accuracy_mean"].notna()]
    figure = Figure(figsize=(style.column, style.column + 0.5))
    panel = figure.subplots()
    looks, handles = style.looks(shown["method"]), []
    for index, (method, name) in enumerate(names_of(shown).items()):
        rows = shown[shown["method"] == method]
        drawn = panel.errorbar(rows["published_mean"], rows["accuracy_mean"], rows["accuracy_std"].fillna(0),
                               rows["published_std"].fillna(0), fmt=MARKERS[index % len(MARKERS)], markersize=4,
                               capsize=2, elinewidth=0.8, color=looks[method]["color"], label=name)  # fmt: skip
        handles.append(drawn)
    ends = shown[["published_mean", "accuracy_mean"]]
    low, high = (ends.min(axis=None) - MARGIN, ends.max(axis=None) + MARGIN) if len(shown) else (0, 100)
    panel.plot((low, high), (low, high), color="0.6", linewidth=0.8, zorder=0)
    panel.set(xlim=(low, high), ylim=(low, high), xlabel="published accuracy, %", ylabel="ours, %")
    legend_above(figure, handles, style)
    return figure
