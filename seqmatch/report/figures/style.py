"""The look that all figures share, their common parts, and how they are written."""

import io
from collections.abc import Iterable, Sequence
from itertools import cycle, product
from math import log10
from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

from seqmatch.errors import printable
from seqmatch.files.store import save_bytes
from seqmatch.report.figures import fonts

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9
"""Widths of a figure, in inches."""

MOST_COLUMNS = 3
"""Panels side by side."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe–Ito colours, which colour-blind readers can tell apart."""

LINES = ("-", "--", ":")

FEW_DECADES = 2.5

FONT_SIZE = 8
PANEL_LINE, LEGEND_LINE = 1.5, 2.2
"""Widths of a line in the title of a panel and in a legend, in inches; longer names have several."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

STYLE = {
    "text.parse_math": False,  # names are text, also with dollar signs
    "text.usetex": False,
    "axes.formatter.use_locale": False,
    "font.family": fonts.BASE,
    "font.size": FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": FONT_SIZE,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "seqmatch",
}


def panels(count: int, height: float, **shared: bool) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of at most `MOST_COLUMNS`; one of two or more is two columns of text wide.

    Args:
        height: of a row, in inches.
        shared: `sharex` and `sharey`, as matplotlib takes them.
    """
    columns = min(count, MOST_COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(ONE_COLUMN if count == 1 else TWO_COLUMNS, height * rows))
    grid = figure.subplots(rows, columns, squeeze=False, **shared).flatten()
    for spare in grid[count:]:
        spare.remove()
    return figure, list(grid[:count])


def looks(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Colour and kind of line of each name, all different for the first 18."""
    kinds = ({"color": color, "linestyle": line} for line, color in product(LINES, COLORS))
    return dict(zip(dict.fromkeys(names), cycle(list(kinds)), strict=False))


def width_of(*texts: str, size: float = FONT_SIZE) -> float:
    """Width of the widest of some texts, in inches."""
    figure = Figure(figsize=(1, 1), dpi=STYLE["savefig.dpi"])
    renderer = FigureCanvasAgg(figure).get_renderer()
    return max(figure.text(0, 0, text, fontsize=size).get_window_extent(renderer).width for text in texts) / figure.dpi


@mpl.rc_context(STYLE)
def lines(text: str, widest: float = PANEL_LINE) -> str:
    """A name or a title in lines of at most `widest` inches."""
    letters, broken = len(text), printable(text)
    while letters > 1 and width_of(broken) > widest:
        letters = letters * 9 // 10
        broken = fill(printable(text), letters)
    return broken


def subset(number: int) -> str:
    """The name of a subset, S with its number below."""
    return f"S{str(number).translate(SUBSCRIPTS)}"


def logarithmic(panel: Axes) -> None:
    """A logarithmic axis for what is drawn, with plain numbers."""
    panel.set_yscale("log")
    plain_decades(panel.yaxis, *panel.get_ylim())


def plain_decades(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis: 1, 2 and 5 of each decade where there are few."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if log10(high) - log10(low) < FEW_DECADES else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def legible(figure: Figure) -> None:
    """Give the texts of a figure fonts that have their letters; those that no font has are named in a warning."""
    texts = figure.findobj(Text)
    families, missing = fonts.families("".join(text.get_text() for text in texts))
    if missing:
        fonts.warn(missing)
    for text in texts if len(families) > 1 else ():
        text.set_fontfamily(families)


def band(panel: Axes, rows: pd.DataFrame, x: str, y: str, **look: str) -> None:
    """The mean of `y` at each `x` as a line, and a band of one standard deviation, cut off above zero."""
    spread = rows.groupby(x)[y].agg(["mean", "std"]).fillna({"std": 0})
    panel.plot(spread.index, spread["mean"], **look)
    low = (spread["mean"] - spread["std"]).clip(lower=spread["mean"] / 10)
    panel.fill_between(spread.index, low, spread["mean"] + spread["std"], color=look["color"], alpha=0.2, linewidth=0)


def note_failed(figure: Figure, table: pd.DataFrame) -> None:
    """Say below a figure how many networks of a table have no accuracy, and so are not in it."""
    failed = int(table["accuracy"].isna().sum())
    if failed:
        figure.supxlabel(f"failed networks, left out: {failed}", fontsize=7)


def mark_stages(panel: Axes, rows: pd.DataFrame, color: str = "0.5") -> None:
    """A dashed line where each next subset joins; `rows` have `stage` and `epoch`."""
    for stage in sorted(rows["stage"].unique())[1:]:
        before = rows.loc[rows["stage"] == stage - 1, "epoch"].max()
        panel.axvline(before, color=color, linestyle="--", linewidth=0.8)
        panel.annotate(f"{subset(stage)} joins", (before, 0.97), (3, 0), ("data", "axes fraction"), "offset points",
                       va="top", color=color, fontsize=7)  # fmt: skip


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure in the format of each path's ending; equal figures give equal bytes."""
    legible(figure)
    for path in paths:
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        drawn = io.BytesIO()  # where a disk is full, matplotlib fails with errors that do not say so
        with mpl.rc_context(STYLE):
            figure.savefig(drawn, format=path.suffix.removeprefix("."), metadata=metadata)
        save_bytes(path, drawn.getvalue())
