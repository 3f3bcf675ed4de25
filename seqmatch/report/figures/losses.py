"""Losses of all real training images while networks learn, as a heat map (Fig. 6 of the paper)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from seqmatch.report.figures import captions
from seqmatch.report.figures.style import Style, mark_stages, names_of, panels, plain_decades, styled

SMALLEST_LOSS = 1e-3
"""Losses below it have one colour."""


@styled
def losses_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Loss of every real training image against epochs, one panel per method (Fig. 6 of the paper).

    Args:
        table: `results/losses.csv` of one data set and ipc: `method`, `seed`, `bin`, `difficulty`, `images`,
            `stage`, `epoch`, `mean_loss`; the first seed is shown. A white line parts hard images, above it, from easy
            ones; dashed ones mark where the next subset joins.
    """
    spans = table.groupby("method")["epoch"].max().to_dict()
    figure, axes = panels(names_of(table, "stage"), style, 2.1, spans)
    low, high = table["mean_loss"].min(), table["mean_loss"].max()
    norm = LogNorm(max(low, SMALLEST_LOSS), high, clip=True)
    for method, panel in axes.items():
        rows = first_seed(table[table["method"] == method])
        mesh = _heat(panel, rows, norm)
        mark_stages(panel, rows, "white")
    next(iter(axes.values())).set_ylim(100, 0)
    figure.supxlabel("epochs on the synthetic set", fontsize=style.size)
    figure.supylabel("real training images, %", fontsize=style.size)
    bar = figure.colorbar(mesh, ax=list(axes.values()), label="loss", fraction=0.05, pad=0.02,
                          extend="min" if low < SMALLEST_LOSS else "neither")  # fmt: skip
    plain_decades(bar.ax.yaxis, norm.vmin, norm.vmax)
    return figure


def first_seed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["seed"] == rows["seed"].min()]


def _heat(panel: Axes, rows: pd.DataFrame, norm: LogNorm) -> QuadMesh:
    losses = rows.pivot(index="bin", columns="epoch", values="mean_loss")
    bins = rows.groupby("bin").agg(images=("images", "first"), difficulty=("difficulty", "first"))
    tops = np.concatenate([[0], bins["images"].cumsum()]) / bins["images"].sum() * 100
    epochs = losses.columns.to_numpy(float)
    sides = np.concatenate([epochs[:1], (epochs[1:] + epochs[:-1]) / 2, epochs[-1:]])
    mesh = panel.pcolormesh(sides, tops, losses.to_numpy(), norm=norm, cmap="viridis", rasterized=True)
    parted = bins.loc[bins["difficulty"] == "hard", "images"].sum() / bins["images"].sum() * 100
    panel.axhline(parted, color="white", linewidth=0.8)
    panel.annotate("↑ hard  ↓ easy", (0.98, parted), (0, -2), ("axes fraction", "data"), "offset points", ha="right",
                   va="top", color="white", fontsize="small")  # fmt: skip
    return mesh


def losses_caption(table: pd.DataFrame) -> str:
    """What `losses_figure` shows of a table."""
    shown = first_seed(table)
    first = table.groupby("method")["seed"].min().unique()
    several = f" of {table['seed'].nunique()}" if table["seed"].nunique() > 1 else ""
    seed = f"distillation seed {first[0]}{several}" if len(first) == 1 else "each method's first distillation seed"
    least = f"Losses below {SMALLEST_LOSS:g} have one colour" if shown["mean_loss"].min() < SMALLEST_LOSS else ""
    return captions.sentences(
        f"Loss of every real training image ({captions.where(table)}) while networks learn from the synthetic sets, "
        f"mean over the networks of {seed}",
        "Images that k-means calls hard lie above the white line, easy ones below; within each part they are sorted by "
        "their loss at the end, the largest on top",
        "Dashed lines mark where the next subset joins",
        least,
    )
