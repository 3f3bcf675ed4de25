"""How distillation went: matching loss, step size and validation accuracy along its iterations."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqmatch.report.figures import captions
from seqmatch.report.figures.style import (
    Style,
    band,
    legend_above,
    logarithmic,
    mark,
    names_of,
    panels,
    styled,
    subset,
)

QUANTITIES = {
    "matching_loss": "matching loss, start = 1",
    "step_size": "step size",
    "validation": "validation accuracy, %",
}

WORDS = {
    "matching_loss": "matching loss, as a share of that with which a subset begins",
    "step_size": "learned step size",
    "validation": "accuracy on the validation split of networks that learned from a snapshot",
}
"""The same, for the caption."""

DECADE = 10
"""Losses that span more have a logarithmic axis."""

OF_SUBSET = ["method", "subset"]


@styled
def convergence_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Each quantity against iterations, one line per method; the subsets of a method come one after the other.

    Args:
        table: of one data set and ipc: `method`, `seed`, `subset`, `quantity`, `iteration`, `window`, `value`. Lines
            are means over seeds, bands one standard deviation. Losses are relative to the mean with which a subset
            begins. Step sizes that are not learned are left out.
    """
    rows = _comparable(table)
    shown = {name: title for name, title in QUANTITIES.items() if name in set(rows["quantity"])}
    figure, axes = panels(shown, style, 1.75, sharey=False)
    looks, names = style.looks(table["method"]), names_of(table, "subset")
    for quantity, panel in axes.items():
        of_quantity = rows[rows["quantity"] == quantity]
        for (method, _), part in of_quantity.groupby(OF_SUBSET, sort=False):
            points = {"marker": "o", "markersize": 2.5} if quantity == "validation" else {}
            band(panel, part, "iteration", "value", **looks[method], **points)
        if quantity == "matching_loss" and of_quantity["value"].max() > DECADE * of_quantity["value"].min():
            logarithmic(panel)
        panel.margins(x=0.02)
        panel.set_xlabel("iteration")
        _mark_subsets(panel, rows)
    legend_above(figure, [Line2D([], [], label=names[method], **look) for method, look in looks.items()], style)
    return figure


def _comparable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn: iterations count on through a method's subsets, losses are relative to their first."""
    ends = table["iteration"].where(table["quantity"] == "validation", table["iteration"] + (table["window"] + 1) / 2)
    lengths = ends.groupby([table[name] for name in OF_SUBSET]).max()
    before = (lengths.groupby("method").cumsum() - lengths).rename("before")
    rows = table.merge(before, on=OF_SUBSET)
    losses = rows["quantity"] == "matching_loss"
    first = rows["iteration"] == rows.groupby([*OF_SUBSET, "quantity"])["iteration"].transform("min")
    starts = rows["value"].where(first).groupby([rows[name] for name in (*OF_SUBSET, "quantity")]).transform("mean")
    rows["value"] = rows["value"].where(~losses, rows["value"] / starts)
    rows["iteration"] += rows["before"]
    learned = rows.groupby([*OF_SUBSET, "quantity"])["value"].transform("nunique") > 1
    return rows[learned | (rows["quantity"] != "step_size")]


def _mark_subsets(panel: Axes, rows: pd.DataFrame) -> None:
    """A dashed line where a method's next subset begins."""
    later = rows[rows["subset"] > 1].drop_duplicates("before")
    for number, before in zip(later["subset"], later["before"], strict=True):
        mark(panel, before, subset(number))


def convergence_caption(table: pd.DataFrame) -> str:
    """What `convergence_figure` shows of a table."""
    drawn = set(_comparable(table)["quantity"])
    *shown, last = [words for quantity, words in WORDS.items() if quantity in drawn]
    last = f"and {last}" if shown else last
    window = table["window"].max()
    smoothed = f"Losses and step sizes are means over {window} iterations" if window > 1 else ""
    return captions.sentences(
        f"Distillation ({captions.where(table)}): " + "; ".join([*shown, last]),
        "Iterations are counted through the subsets of a method; a dashed line marks where the next one begins",
        "Lines are means over seeds, bands one standard deviation" if table["seed"].nunique() > 1 else "",
        smoothed,
        captions.counted(table),
    )
