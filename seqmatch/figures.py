"""What people look at: figures drawn from tables and pixels. No torch, no GPU."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9
"""Widths of a figure, in inches."""

LARGEST_IMAGE, TALLEST, WIDEST = 0.42, 9.0, 12.0
"""Of grids of images, in inches: the side of one, and the whole."""

GAP, WHITE = 1, 255
"""Pixels between images, and their level."""

COLORS = {"easy": "#0072B2", "hard": "#D55E00"}
"""Okabe–Ito colours, which colour-blind readers can tell apart."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "seqmatch",
}


def difficulty_figure(table: pd.DataFrame) -> Figure:
    """Mean loss of easy and hard real training images against epochs, a panel a method (Fig. 1 of the paper).

    Args:
        table: `results/difficulty.csv` of one data set and ipc: `method`, `seed`, `network`, `stage`,
            `epoch`, `difficulty`, `share`, `mean_loss`. Lines are means over seeds and networks, bands one
            standard deviation; dashed lines mark where the next subset joins.
    """
    methods = list(dict.fromkeys(table["method"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(min(TWO_COLUMNS, ONE_COLUMN * len(methods)), 2.5))
        panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
        for panel, method in zip(panels, methods, strict=True):
            rows = table[table["method"] == method]
            for kind in ("easy", "hard"):
                _band(panel, rows[rows["difficulty"] == kind], kind)
            for stage in sorted(rows["stage"].unique())[1:]:
                before = rows.loc[rows["stage"] == stage - 1, "epoch"].max()
                panel.axvline(before, color="0.5", linestyle="--", linewidth=0.8)
                panel.annotate(f"$S_{stage}$ joins", (before, 0.97), (3, 0), ("data", "axes fraction"), "offset points",
                               va="top", color="0.35", fontsize=7)  # fmt: skip
            panel.set(title=method, xlabel="epochs on the synthetic set", yscale="log")
            panel.margins(x=0.02)
            panel.legend(loc="best")
        panels[0].set_ylabel("mean loss on real\ntraining images")
    return figure


def images_figure(subsets: Sequence[tuple[np.ndarray, np.ndarray]], class_names: Sequence[str], title: str) -> Figure:
    """The synthetic images, a row a class, a block of columns a subset (Fig. 3 of the paper).

    However many classes and images there are, the figure stays within `TALLEST` and `WIDEST`.

    Args:
        subsets: for each S_k, uint8 pixels (n, C, H, W) and labels (n,).
        class_names: by label.
    """
    rows, columns = len(class_names), [int(np.bincount(labels).max()) for _, labels in subsets]
    side = min(LARGEST_IMAGE, TALLEST / rows, WIDEST / sum(columns))
    width = side * sum(columns) + 0.25 * (len(subsets) - 1) + 0.9
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, side * rows + 0.55))
        panels = figure.subplots(1, len(subsets), width_ratios=columns, squeeze=False)[0]
        for index, (panel, (pixels, labels)) in enumerate(zip(panels, subsets, strict=True)):
            shown = mosaic(pixels, labels, rows)
            panel.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            panel.spines[:].set_visible(False)
            panel.tick_params(length=0, labelsize=min(8, 60 * side))
            height = pixels.shape[2] + GAP
            panel.set(xticks=[], yticks=[], title=f"$S_{index + 1}$")
            if index == 0:
                panel.set_yticks(np.arange(rows) * height + height / 2 - GAP, class_names)
        figure.suptitle(title, fontsize=8)
    return figure


def mosaic(pixels: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Images (n, C, H, W), uint8, as one (…, …, C): a row a class, white between them and where a row is shorter."""
    _, channels, height, width = pixels.shape
    columns = int(np.bincount(labels).max())
    whole = np.full((classes * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), WHITE, np.uint8)
    for label in range(classes):
        for column, image in enumerate(pixels[labels == label]):
            top, left = label * (height + GAP), column * (width + GAP)
            whole[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return whole


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure in the format of each path's ending; equal figures give equal bytes."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        with mpl.rc_context(STYLE):
            figure.savefig(path, metadata=metadata)


def _band(panel, rows: pd.DataFrame, kind: str) -> None:
    spread = rows.groupby("epoch")["mean_loss"].agg(["mean", "std"]).fillna(0)
    share = rows.groupby("seed")["share"].first().mean() if len(rows) else 0.0
    panel.plot(spread.index, spread["mean"], color=COLORS[kind], linewidth=1.2, label=f"{kind} ({share:.0%})")
    low = (spread["mean"] - spread["std"]).clip(lower=spread["mean"] / 10)
    panel.fill_between(spread.index, low, spread["mean"] + spread["std"], color=COLORS[kind], alpha=0.2, linewidth=0)
