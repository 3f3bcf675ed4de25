"""How much better each method is than what it is compared with, at each number of images per class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqmatch.config.methods import display_name
from seqmatch.errors import number
from seqmatch.report.figures import captions
from seqmatch.report.figures.style import DEFAULT, NEUTRAL, SIDES, Style, legend_above, letter_of, lines, styled
from seqmatch.report.tables.comparison import CONFIDENCE, LEVEL

ROW, AROUND = 0.18, 0.6
"""Inches of a row's line, and of what stands above and below the rows, at letters of 8 points."""

LABELS = 0.31
"""Share of the width that the words beside the rows take at most."""

FAR = 4
"""Times as far from zero as rows reach in the median: there an arrow at the edge and a number stand for the point,
which would squeeze all others."""

CONTRAST = ["method", "K", "baseline"]

LOOKS = {
    "significant": {"marker": "o", "markerfacecolor": NEUTRAL},
    "not significant": {"marker": "o", "markerfacecolor": "white"},
    "not tested": {"marker": "x"},
}


@styled
def differences_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Differences of accuracy with their intervals: a row per method, below what it is compared with; a panel per ipc.

    Args:
        table: `results/comparison.csv` of one data set: `ipc`, `method`, `K`, `baseline`, `difference`, `low`, `high`,
            `q`. A point is filled where the difference is significant, and a cross where it was not tested; one that is
        missing is left out.
    """
    sizes = list(dict.fromkeys(table["ipc"]))
    rows = list(_rows(table))
    beside = LABELS * style.text
    words = [lines(row.words, beside) for row in rows]
    high = max(text.count("\n") + 1 for text in words) * len(rows)
    figure = Figure(figsize=(style.text, (ROW * high + AROUND) * style.size / DEFAULT.size))
    panels = figure.subplots(1, len(sizes), squeeze=False, sharex=True, sharey=True)[0]
    scale = _scale(table)
    for index, (ipc, panel) in enumerate(zip(sizes, panels, strict=True)):
        panel.set_xlim(scale)
        _draw(panel, table[table["ipc"] == ipc], rows)
        letter = f"({letter_of(index)}) " if len(sizes) > 1 else ""
        panel.set_title(lines(letter + captions.per_class(ipc), (style.text - beside) / len(sizes) - SIDES / 2))
    panels[0].set_yticks(range(len(rows)), words)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.supxlabel("difference of test accuracy, percentage points")
    legend_above(figure, list(_legend(table)), style)
    return figure


@dataclass(frozen=True)
class _Row:
    words: str
    contrast: tuple[str, int, str] | None
    """Method, K and baseline; none in a row that says what those below it are compared with."""


def _rows(table: pd.DataFrame) -> Iterator[_Row]:
    for baseline, compared in table.groupby("baseline", sort=False):
        yield _Row(f"against {display_name(baseline)}:", None)
        for method, subsets in dict.fromkeys(zip(compared["method"], compared["K"], strict=True)):
            yield _Row(display_name(method, subsets), (method, subsets, baseline))


def _draw(panel: Axes, table: pd.DataFrame, rows: Sequence[_Row]) -> None:
    panel.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    found = table.set_index(CONTRAST)
    for place, row in enumerate(rows):
        if row.contrast in found.index:
            drawn = found.loc[row.contrast]
            panel.plot([drawn["low"], drawn["high"]], [place, place], color=NEUTRAL)
            if _beyond(drawn["difference"], panel.get_xlim()):
                _tell(panel, place, drawn)
            else:
                panel.plot([drawn["difference"]], [place], markersize=4, color=NEUTRAL, **LOOKS[_verdict(drawn["q"])])
    panel.tick_params(axis="y", length=0)


def _tell(panel: Axes, place: int, drawn: pd.Series) -> None:
    """An arrow to where the point is, and how far that is."""
    left = drawn["difference"] < 0
    look = LOOKS[_verdict(drawn["q"])] | {"marker": "<" if left else ">"}
    edge = panel.get_xlim()[0 if left else 1]
    panel.plot([edge], [place], markersize=5, color=NEUTRAL, clip_on=False, **look)
    panel.annotate(
        f"{drawn['difference']:+z.1f}".replace("-", "−"),
        (edge, place),
        xytext=(6 if left else -6, 0),
        textcoords="offset points",
        ha="left" if left else "right",
        va="center",
        size="small",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def _scale(table: pd.DataFrame) -> tuple[float, float]:
    """From where to where the axis goes: all intervals of the points that are not far from the others."""
    reach = table[["low", "high", "difference"]].abs().max(axis=1)
    near = table[table["difference"].abs() <= FAR * reach.median()]
    low, high = min(0, near[["low", "difference"]].min().min()), max(0, near[["high", "difference"]].max().max())
    margin = 0.05 * (high - low) or 1
    return low - margin, high + margin


def _beyond(difference: float, scale: tuple[float, float]) -> bool:
    return difference < scale[0] or difference > scale[1]


def _legend(table: pd.DataFrame) -> Iterator[Line2D]:
    """Of the kinds of points that there are."""
    found = set(table["q"].map(_verdict))
    for words, look in LOOKS.items():
        if words in found:
            yield Line2D([], [], markersize=4, color=NEUTRAL, linestyle="", label=words, **look)


def _verdict(q: float) -> str:
    if pd.isna(q):
        return "not tested"
    return "significant" if q < LEVEL else "not significant"


def _any_beyond(table: pd.DataFrame) -> bool:
    scale = _scale(table)
    return any(_beyond(difference, scale) for difference in table["difference"])


def differences_caption(table: pd.DataFrame) -> str:
    """What `differences_figure` shows of a table."""
    seeds = captions.between(table["seeds"], "distillation seed")
    of_one = " (of its networks, where there is one seed)" if (table["unit"] == "networks").any() else ""
    failed = int(table["failed"].sum())
    return captions.sentences(
        f"Test accuracy of a method less that of what it is compared with ({captions.where(table)}), in percentage "
        "points, over networks of equal distillation seed and number",
        f"Bars are {100 * CONFIDENCE:.0f} % confidence intervals (Student's t) over {seeds}{of_one}",
        f"Filled: significant at {100 * LEVEL:.0f} % after adjustment for all differences of the experiment "
        "(Benjamini and Hochberg)",
        "A cross is not tested" if table["q"].isna().any() else "",
        "An arrow points to a difference outside the scale, and says how large it is" if _any_beyond(table) else "",
        f"Left out: {number(failed, 'pair')} with a network that failed" if failed else "",
    )
