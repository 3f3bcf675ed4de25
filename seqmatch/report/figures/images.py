"""Grids of synthetic images (Fig. 3, 5, 7 and 8 of the paper)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqmatch.errors import printable
from seqmatch.report.figures import fonts
from seqmatch.report.figures.style import FONT_SIZE, STYLE, TWO_COLUMNS, lines, width_of

LARGEST_IMAGE, TALLEST, WIDEST, MARGIN = 0.42, 9.0, 12.0, 0.2
"""Of grids of images, in inches: the side of one, the whole, and what is free beside text."""

LONGEST_NAME = 40
"""Letters of a class's name beside its row."""

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

    However many classes and images there are, the grid stays within `TALLEST` and `WIDEST`. A class whose name cannot
    be shown whole has its number before it; the table of the images has all names.

    Args:
        class_names: by label.
    """
    families, missing = fonts.families("".join(map(printable, (*class_names, title))))
    if missing:
        fonts.warn(missing)
    names = [label(number, name, missing) for number, name in enumerate(class_names)]
    with mpl.rc_context({"font.family": families}):
        return _grid(blocks, names, shown(title, missing))


def _grid(blocks: Sequence[Block], names: Sequence[str], title: str) -> Figure:
    rows, columns = len(names), [int(np.bincount(block.labels).max()) for block in blocks]
    side = min(LARGEST_IMAGE, TALLEST / rows, WIDEST / sum(columns))
    size = min(FONT_SIZE, 60 * side)
    widths = [max(side * count, width_of(block.title)) for count, block in zip(columns, blocks, strict=True)]
    width = sum(widths) + 0.25 * (len(blocks) - 1) + max(0.9, width_of(*names, size=size) + MARGIN)
    width = max(width, min(TWO_COLUMNS, width_of(title) + MARGIN))
    title = lines(title, width - MARGIN)
    figure = Figure(figsize=(width, side * rows + 0.4 + 0.15 * (1 + title.count("\n"))))
    panels = figure.subplots(1, len(blocks), width_ratios=widths, squeeze=False)[0]
    for index, (panel, block) in enumerate(zip(panels, blocks, strict=True)):
        mosaicked = mosaic(block.pixels, block.labels, rows)
        panel.imshow(mosaicked.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0, labelsize=size)
        height = block.pixels.shape[2] + GAP
        panel.set(xticks=[], yticks=[], title=block.title)
        if index == 0:
            panel.set_yticks(np.arange(rows) * height + height / 2 - GAP, names)
            panel.set_anchor("W")  # beside the names: the layout keeps as much room for them as they take
    figure.suptitle(title, fontsize=FONT_SIZE)
    return figure


def label(number: int, name: str, missing: str) -> str:
    """A class's name beside its row, of at most `LONGEST_NAME` letters, with its number where it is not whole."""
    text = shown(name, missing)
    if len(text) > LONGEST_NAME:
        half = LONGEST_NAME // 2
        text = f"{text[:half]}…{text[1 - half :]}"
    return text if text == name else f"{number}: {text}"


def shown(text: str, missing: str) -> str:
    """Text with one sign for letters beside each other that no font has."""
    return (
        re.sub(f"[{re.escape(missing)}]+", "\N{REPLACEMENT CHARACTER}", printable(text)) if missing else printable(text)
    )


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
