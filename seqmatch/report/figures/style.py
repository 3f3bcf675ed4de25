"""The look that all figures share, their common parts, and how they are written."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import cycle, product
from math import log10
from pathlib import Path
from string import ascii_lowercase
from textwrap import fill
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

from seqmatch.config.methods import display_name
from seqmatch.config.sections import Figures
from seqmatch.errors import printable
from seqmatch.files.store import save_bytes
from seqmatch.report.figures import fonts

MOST_COLUMNS = 3
"""Panels side by side."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe–Ito colours, which colour-blind readers can tell apart: of methods, and of nothing else."""

FILLS = {"-": "full", "--": "none", ":": "top"}
"""Kinds of line, and how markers of the same colour are filled."""

LINES = tuple(FILLS)

KINDS = {"hard": "#882255", "easy": "#777777"}
"""Colours of hard and easy images."""

NEUTRAL = "#59677C"
"""Colour of what is no method."""

FEW_DECADES = 2.5

SIDES, LEGEND_HANDLE = 0.3, 0.45
"""Inches that a panel's axis takes of its width, and the line before a name in a legend."""

LEGEND_LINE = 1.7
"""Height of a line of a legend, in sizes of its letters."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

COMMON = {
    "text.parse_math": False,  # names are text, also with dollar signs
    "text.usetex": False,
    "axes.formatter.use_locale": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "seqmatch",
}


@dataclass(frozen=True)
class Style:
    """Where a figure will stand: how wide it is there, so that nothing scales it, and what its text is like."""

    text: float
    """Width of the text, in inches."""
    column: float
    """Width of a figure of a single panel."""
    size: float
    """Points of its text; ticks and legends are a point smaller."""
    family: str = fonts.SANS
    methods: tuple[str, ...] = ()
    """Those that have the first colours, in order: so a method has one colour in all figures of an experiment."""

    @property
    def small(self) -> float:
        return self.size - 1

    @property
    def parameters(self) -> dict[str, Any]:
        """As matplotlib takes them."""
        return COMMON | {
            "font.family": fonts.with_base(self.family),
            "font.size": self.size,
            "axes.titlesize": self.size,
            "axes.labelsize": self.size,
            "figure.labelsize": self.small,
            "xtick.labelsize": self.small,
            "ytick.labelsize": self.small,
            "legend.fontsize": self.small,
            "legend.title_fontsize": self.small,
        }

    def looks(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Colour and kind of line of each name, all different for the first 18."""
        shown = list(dict.fromkeys(names))
        kinds = ({"color": color, "linestyle": line} for line, color in product(LINES, COLORS))
        found = dict(zip(dict.fromkeys([*self.methods, *shown]), cycle(list(kinds)), strict=False))
        return {name: found[name] for name in shown}


STYLES = {
    "neurips": Style(5.5, 3.0, 8),
    "iclr": Style(5.5, 3.0, 8),
    "cvpr": Style(6.875, 3.25, 8),
    "wide": Style(9.0, 5.0, 11),
}
"""By the venue whose text is so wide; `wide` is for slides and pages."""

FAMILIES = {"sans": fonts.SANS, "serif": fonts.SERIF}

DEFAULT = STYLES[Figures().style]


def style_of(venue: str, font: str, methods: Sequence[str] = ()) -> Style:
    """A venue's style, with a font and the methods of an experiment."""
    return replace(STYLES[venue], family=FAMILIES[font], methods=tuple(methods))


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws in the style that it is given, by default NeurIPS'."""

    @wraps(draw)
    def in_style(*args: Any, style: Style = DEFAULT, **others: Any) -> Figure:
        with mpl.rc_context(style.parameters):
            return draw(*args, style=style, **others)

    return in_style


def panels(
    names: Mapping[str, str],
    style: Style,
    height: float,
    spans: Mapping[str, float] | None = None,
    sharey: bool = True,
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each name, in rows of at most `MOST_COLUMNS`; several are as wide as the text.

    Several have letters before their titles.

    Args:
        names: the title of each panel.
        height: of a row, in inches, at NeurIPS' size of letters.
        spans: where given, what each horizontal axis spans, from 0. Then an inch is as much in every panel.
        sharey: whether they share their vertical axis.
    """
    columns = min(len(names), MOST_COLUMNS)
    rows = -(-len(names) // columns)
    width = style.column if len(names) == 1 else style.text
    longest = max(1, *spans.values()) if spans else 1
    least = longest / MOST_COLUMNS  # so that there is room for the title
    widths = [
        max([least, *(spans[name] for name in list(names)[column::columns])]) if spans else 1
        for column in range(columns)
    ]
    figure = Figure(figsize=(width, height * rows * style.size / DEFAULT.size))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey, width_ratios=widths).flatten()
    for spare in grid[len(names) :]:
        spare.remove()
    room = [(width - SIDES) * share / sum(widths) - SIDES / 2 for share in widths]
    found = dict(zip(names, grid, strict=False))
    for index, (name, panel) in enumerate(found.items()):
        letter = f"({letter_of(index)}) " if len(names) > 1 else ""
        panel.set_title(lines(letter + names[name], room[index % columns]))
        if spans:
            panel.set_xlim(0, widths[index % columns])
    return figure, found


def letter_of(index: int) -> str:
    """a, b, … z, then aa, ab, …"""
    before = letter_of(index // 26 - 1) if index >= 26 else ""
    return before + ascii_lowercase[index % 26]


def names_of(table: pd.DataFrame, stages: str | None = None) -> dict[str, str]:
    """The methods of a table as papers write them, with their number of subsets where there are several.

    Args:
        stages: the column with the number of a stage, if there is one.
    """
    counts = table.groupby("method")[stages].max() if stages else {}
    return {method: display_name(method, counts[method] if stages else 1) for method in dict.fromkeys(table["method"])}


def legend_above(figure: Figure, handles: Sequence[Artist], style: Style) -> None:
    """The figure's one legend, above it, of the artists that are given; the figure grows by its height."""
    width, height = figure.get_size_inches()
    labels = [lines(str(handle.get_label()), width - LEGEND_HANDLE - SIDES) for handle in handles]
    if labels:
        columns = int(width // (width_of(*labels, size=style.small) + LEGEND_HANDLE))
        columns = min(max(columns, 1), len(labels))
        figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        rows = [labels[row :: -(-len(labels) // columns)] for row in range(-(-len(labels) // columns))]
        high = sum(1 + max(label.count("\n") for label in row) for row in rows)
        figure.set_size_inches(width, height + LEGEND_LINE * high * style.small / 72)


def failures(table: pd.DataFrame) -> str:
    """How many networks of a table have no accuracy, and so are in no figure; empty if none."""
    each = [name for name in ("dataset", "ipc", "method", "seed", "curriculum", "half", "network") if name in table]
    failed = len(table.loc[table["accuracy"].isna(), each].drop_duplicates())
    return f"Failed networks, left out: {failed}" if failed else ""


def width_of(*texts: str, size: float | None = None) -> float:
    """Width of the widest of some texts, in inches."""
    figure = Figure(figsize=(1, 1), dpi=COMMON["savefig.dpi"])
    renderer = FigureCanvasAgg(figure).get_renderer()
    return max(figure.text(0, 0, text, fontsize=size).get_window_extent(renderer).width for text in texts) / figure.dpi


def lines(text: str, widest: float) -> str:
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


def legible(figure: Figure, family: str) -> None:
    """Give the texts of a figure fonts that have their letters; those that no font has are named in a warning."""
    texts = figure.findobj(Text)
    families, missing = fonts.families("".join(text.get_text() for text in texts), family)
    if missing:
        fonts.warn(missing)
    for text in texts if len(families) > 1 else ():
        text.set_fontfamily(families)


def band(panel: Axes, rows: pd.DataFrame, x: str, y: str, **look: Any) -> None:
    """The mean of `y` at each `x` as a line, and a band of one standard deviation, cut off above zero."""
    spread = rows.groupby(x)[y].agg(["mean", "std"]).fillna({"std": 0})
    panel.plot(spread.index, spread["mean"], **look)
    low = (spread["mean"] - spread["std"]).clip(lower=spread["mean"] / 10)
    panel.fill_between(spread.index, low, spread["mean"] + spread["std"], color=look["color"], alpha=0.2, linewidth=0)


def note_failed(figure: Figure, table: pd.DataFrame) -> None:
    """Say below a figure how many networks of a table have no accuracy, and so are not in it."""
    if failed := failures(table):
        figure.supxlabel(failed)


def mark_stages(panel: Axes, rows: pd.DataFrame, color: str = "0.5") -> None:
    """A dashed line where each next subset joins; `rows` have `stage` and `epoch`."""
    for stage in sorted(rows["stage"].unique())[1:]:
        before = rows.loc[rows["stage"] == stage - 1, "epoch"].max()
        mark(panel, before, f"{subset(stage)} joins", color)


def mark(panel: Axes, x: float, text: str, color: str = "0.5") -> None:
    """A dashed line with a text at its foot."""
    panel.axvline(x, color=color, linestyle="--", linewidth=0.8)
    panel.annotate(text, (x, 0.02), (3, 0), ("data", "axes fraction"), "offset points", va="bottom", color=color,
                   fontsize="small")  # fmt: skip


def save(figure: Figure, paths: Sequence[Path], style: Style = DEFAULT) -> None:
    """Write a figure in the format of each path's ending; equal figures give equal bytes."""
    legible(figure, style.family)
    for path in paths:
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        drawn = io.BytesIO()  # where a disk is full, matplotlib fails with errors that do not say so
        with mpl.rc_context(style.parameters):
            figure.savefig(drawn, format=path.suffix.removeprefix("."), metadata=metadata)
        save_bytes(path, drawn.getvalue())
