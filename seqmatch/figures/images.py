"""Grids of synthetic images (Fig. 3 of the paper)."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqmatch.figures.style import STYLE

LARGEST_IMAGE, TALLEST, WIDEST = 0.42, 9.0, 12.0
"""Of grids of images, in inches: the side of one, and the whole."""

GAP, WHITE = 1, 255
"""Pixels between images, and their level."""


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
