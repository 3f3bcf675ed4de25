"""Grids of synthetic images (Fig. 3, 5, 7 and 8 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqmatch.report.figures.style import STYLE

LARGEST_IMAGE, TALLEST, WIDEST = 0.42, 9.0, 12.0
"""Of grids of images, in inches: the side of one, and the whole."""

GAP, WHITE = 1, 255
"""Pixels between images, and their level."""


@dataclass(frozen=True)
class Block:
    """Images side by side, a row a class."""

    title: str
    pixels: np.ndarray
    """uint8 (n, C, H, W)."""
    labels: np.ndarray
    """(n,)."""


@mpl.rc_context(STYLE)
def images_figure(blocks: Sequence[Block], class_names: Sequence[str], title: str) -> Figure:
    """Synthetic images in data space, on one scale of grey or colour: a row a class, blocks from left to right.

    However many classes and images there are, the figure stays within `TALLEST` and `WIDEST`.

    Args:
        class_names: by label.
    """
    rows, columns = len(class_names), [int(np.bincount(block.labels).max()) for block in blocks]
    side = min(LARGEST_IMAGE, TALLEST / rows, WIDEST / sum(columns))
    width = side * sum(columns) + 0.25 * (len(blocks) - 1) + 0.9
    figure = Figure(figsize=(width, side * rows + 0.55))
    panels = figure.subplots(1, len(blocks), width_ratios=columns, squeeze=False)[0]
    for index, (panel, block) in enumerate(zip(panels, blocks, strict=True)):
        shown = mosaic(block.pixels, block.labels, rows)
        panel.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0, labelsize=min(8, 60 * side))
        height = block.pixels.shape[2] + GAP
        panel.set(xticks=[], yticks=[], title=block.title)
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
