"""Losses of all real training images while networks learn, as a heat map (Fig. 6 of the paper)."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from seqmatch.report.figures.style import STYLE, lines, mark_stages, panels, plain_decades

SMALLEST_LOSS = 1e-3
"""Losses below it have one colour."""


@mpl.rc_context(STYLE)
def losses_figure(table: pd.DataFrame) -> Figure:
    """Loss of every real training image against epochs, the hardest on top, one panel per method (Fig. 6 of the paper).

    Args:
        table: `results/losses.csv` of one data set and ipc: `method`, `seed`, `bin`, `difficulty`, `images`,
            `stage`, `epoch`, `mean_loss`; the first seed is shown. A white line parts hard from easy images, dashed
            ones mark where the next subset joins.
    """
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = panels(len(methods), 2.8, sharey=True)
    norm = LogNorm(max(table["mean_loss"].min(), SMALLEST_LOSS), table["mean_loss"].max(), clip=True)
    for panel, method in zip(axes, methods, strict=True):
        rows = table[table["method"] == method]
        rows = rows[rows["seed"] == rows["seed"].min()]
        mesh = _heat(panel, rows, norm)
        mark_stages(panel, rows, "white")
        panel.set(title=lines(method), xlabel="epochs on the synthetic set")
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel("real training images, %\n(hardest on top)")
    bar = figure.colorbar(mesh, ax=axes, label="loss, mean over networks", fraction=0.05, pad=0.02)
    plain_decades(bar.ax.yaxis, norm.vmin, norm.vmax)
    return figure


def _heat(panel: Axes, rows: pd.DataFrame, norm: LogNorm) -> QuadMesh:
    losses = rows.pivot(index="bin", columns="epoch", values="mean_loss")
    bins = rows.groupby("bin").agg(images=("images", "first"), difficulty=("difficulty", "first"))
    tops = np.concatenate([[0], bins["images"].cumsum()]) / bins["images"].sum() * 100
    epochs = losses.columns.to_numpy(float)
    sides = np.concatenate([epochs[:1], (epochs[1:] + epochs[:-1]) / 2, epochs[-1:]])
    mesh = panel.pcolormesh(sides, tops, losses.to_numpy(), norm=norm, cmap="viridis", rasterized=True)
    panel.axhline(bins.loc[bins["difficulty"] == "hard", "images"].sum() / bins["images"].sum() * 100, color="white",
                  linewidth=0.8)  # fmt: skip
    if not panel.yaxis_inverted():
        panel.invert_yaxis()
    return mesh
