"""How distillation went: matching loss, step size and validation accuracy along its iterations."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from seqmatch.report.figures.style import (
    LEGEND_LINE,
    STYLE,
    TWO_COLUMNS,
    band,
    lines,
    logarithmic,
    looks,
    subset,
    width_of,
)

QUANTITIES = {
    "matching_loss": "matching loss",
    "step_size": "step size",
    "validation": "validation accuracy, %",
}

LEGEND_HANDLE = 0.45
"""Inches that the line before a name in the legend takes."""

DECADE = 10
"""Losses that span more have a logarithmic axis."""


@mpl.rc_context(STYLE)
def convergence_figure(table: pd.DataFrame) -> Figure:
    """Each quantity against iterations: one row of panels per stage, one line per method.

    Args:
        table: of one data set and ipc: `method`, `seed`, `subset`, `quantity`, `iteration`, `window`, `value`. Lines
            are means over seeds, bands one standard deviation. Values are means over windows of iterations, whose
            largest size the figure names.
    """
    shown = [name for name in QUANTITIES if name in set(table["quantity"])]
    stages, methods = sorted(table["subset"].unique()), looks(table["method"])
    names = {method: lines(method, LEGEND_LINE) for method in methods}
    figure = Figure(figsize=(TWO_COLUMNS, 1.9 * len(stages) + 0.5))
    axes = figure.subplots(len(stages), len(shown), sharex="row", squeeze=False)
    for row, stage in zip(axes, stages, strict=True):
        for panel, quantity in zip(row, shown, strict=True):
            rows = table[(table["subset"] == stage) & (table["quantity"] == quantity)]
            for method, look in methods.items():
                own = rows[rows["method"] == method]
                fixed = quantity == "step_size" and own["value"].nunique() == 1  # where it is not learned
                if len(own) and not fixed:
                    band(panel, own, "iteration", "value", label=names[method], **look)
            panel.set(title=f"{subset(stage)}: {QUANTITIES[quantity]}", xlabel="iteration")
            if quantity == "matching_loss" and rows["value"].max() > DECADE * rows["value"].min():
                logarithmic(panel)
            panel.margins(x=0.02)
    several = table["seed"].nunique() > 1
    spread = "lines and bands: mean ± standard deviation over seeds" if several else "lines: one seed"
    largest = table["window"].max()
    smoothed = f"; losses and step sizes are means over {largest} iterations" if largest > 1 else ""
    columns = int(TWO_COLUMNS // (width_of(*names.values()) + LEGEND_HANDLE))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center",
                  ncols=min(len(methods), columns), title=f"{spread}{smoothed}")  # fmt: skip
    return figure
