"""Grids of synthetic images (Fig. 3, 5, 7 and 8 of the paper)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqmatch.errors import printable
from seqmatch.report.figures import captions, fonts
from seqmatch.report.figures.style import Style, lines, styled, width_of

LARGEST_IMAGE, TALLEST, WIDEST, MARGIN = 0.42, 9.0, 12.0, 0.2
"""Of grids of images, in inches: the side of one, the whole, and what is free beside text."""

LONGEST_NAME = 40
"""Letters of a class's name beside its images."""

MOST_CLASSES = 20
"""That stand side by side; more stand one below the other."""

GAP, WHITE = 1, 255
"""Pixels between images, and their level."""


@dataclass(frozen=True)
class Block:
    """Images that stand together, sorted by class."""

    title: str
    pixels: np.ndarray
    """uint8 (n, C, H, W)."""
    labels: np.ndarray
    """(n,)."""

    @property
    def per_class(self) -> int:
        """Images of the largest class."""
        return int(np.bincount(self.labels).max())


@styled
def images_figure(blocks: Sequence[Block], class_names: Sequence[str], title: str, style: Style) -> Figure:
    """Synthetic images in data space, on one scale of grey or colour, with the name of each class.

    A class is a column, and blocks stand one below the other, where that is flatter; else a class is a row, and blocks
    stand side by side. However many classes and images there are, the grid stays within `TALLEST` and `WIDEST`. A class
    whose name cannot be shown whole has its number before it; the table of the images has all names.

    Args:
        class_names: by label.
    """
    families, missing = fonts.families("".join(map(printable, (*class_names, title))), style.family)
    if missing:
        fonts.warn(missing)
    names = [label(number, name, missing) for number, name in enumerate(class_names)]
    with mpl.rc_context({"font.family": families}):
        draw = _in_columns if in_columns(blocks, len(names)) else _in_rows
        return draw(blocks, names, shown(title, missing), style)


def in_columns(blocks: Sequence[Block], classes: int) -> bool:
    """Whether a class is a column."""
    return sum(block.per_class for block in blocks) <= classes <= MOST_CLASSES


def _in_columns(blocks: Sequence[Block], names: Sequence[str], title: str, style: Style) -> Figure:
    heights = [block.per_class for block in blocks]
    titles = [block.title for block in blocks if block.title]
    beside = width_of(*titles, size=style.small) + MARGIN if titles else 0
    side = min(LARGEST_IMAGE, (style.text - beside) / len(names))
    flat = width_of(*names, size=style.small) <= side
    above = style.small / 72 * 2 if flat else width_of(*names, size=style.small) + MARGIN
    width = max(side * len(names) + beside, min(style.text, width_of(title) + MARGIN))
    title = lines(title, width - MARGIN)
    over = above + 0.16 * (1 + title.count("\n")) + 0.1
    figure = Figure(figsize=(width, side * sum(heights) + 0.12 * (len(blocks) - 1) + over))
    panels = figure.subplots(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
    for index, (panel, block) in enumerate(zip(panels, blocks, strict=True)):
        _show(panel, mosaic(block.pixels, block.labels, len(names), columns=True))
        step = block.pixels.shape[3] + GAP
        panel.set_ylabel(block.title, rotation=0, ha="right", va="center", fontsize=style.small)
        if index == 0:
            panel.xaxis.tick_top()
            panel.set_xticks(np.arange(len(names)) * step + step / 2 - GAP, names, rotation=0 if flat else 90)
    figure.suptitle(title, fontsize=style.size)
    return figure


def _in_rows(blocks: Sequence[Block], names: Sequence[str], title: str, style: Style) -> Figure:
    rows, widths = len(names), [block.per_class for block in blocks]
    side = min(LARGEST_IMAGE, TALLEST / rows, WIDEST / sum(widths))
    size = min(style.small, 0.8 * 72 * side)  # points, so that names of neighbouring rows do not meet
    beside = max(0.9, width_of(*names, size=size) + MARGIN)
    width = side * sum(widths) + 0.25 * (len(blocks) - 1) + beside
    width = max(width, min(style.text, width_of(title) + MARGIN))
    title = lines(title, width - MARGIN)
    figure = Figure(figsize=(width, side * rows + 0.4 + 0.15 * (1 + title.count("\n"))))
    panels = figure.subplots(1, len(blocks), width_ratios=widths, squeeze=False)[0]
    for index, (panel, block) in enumerate(zip(panels, blocks, strict=True)):
        _show(panel, mosaic(block.pixels, block.labels, rows))
        step = block.pixels.shape[2] + GAP
        panel.set_title(block.title)
        panel.tick_params(labelsize=size)
        if index == 0:
            panel.set_yticks(np.arange(rows) * step + step / 2 - GAP, names)
            panel.set_anchor("W")  # beside the names: the layout keeps as much room for them as they take
    figure.suptitle(title, fontsize=style.size)
    return figure


def _show(panel, mosaicked: np.ndarray) -> None:
    panel.imshow(mosaicked.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set(xticks=[], yticks=[])


def change(pixels: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Half the difference of images, uint8, around a middle grey that stands for none."""
    return (127.5 + (pixels.astype(float) - initial) / 2).round().astype(np.uint8)


def images_caption(blocks: Sequence[Block], classes: int, title: str, changes: bool) -> str:
    """What `images_figure` shows.

    Args:
        changes: whether there are blocks of differences.
    """
    side = "column" if in_columns(blocks, classes) else "row"
    between = "From top to bottom" if side == "column" else "From left to right"
    named = [block.title for block in blocks if block.title]
    return captions.sentences(
        f"Images of {title}: a {side} a class, with the normalisation taken back, on one scale",
        f"{between}: {', '.join(named)}" if named else "",
        "The change is half the difference of a distilled image from its initial one: middle grey is none"
        if changes
        else "",
    )


def label(number: int, name: str, missing: str) -> str:
    """A class's name beside its images, of at most `LONGEST_NAME` letters, with its number where it is not whole."""
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


def mosaic(pixels: np.ndarray, labels: np.ndarray, classes: int, columns: bool = False) -> np.ndarray:
    """Images (n, C, H, W), uint8, as one (…, …, C): a row a class, or a column, white between them and where a class
    has fewer."""
    _, channels, height, width = pixels.shape
    longest = int(np.bincount(labels).max())
    shape = (longest, classes) if columns else (classes, longest)
    whole = np.full((shape[0] * (height + GAP) - GAP, shape[1] * (width + GAP) - GAP, channels), WHITE, np.uint8)
    for label in range(classes):
        for number, image in enumerate(pixels[labels == label]):
            row, column = (number, label) if columns else (label, number)
            top, left = row * (height + GAP), column * (width + GAP)
            whole[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return whole
