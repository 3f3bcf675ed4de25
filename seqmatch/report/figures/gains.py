"""What several subsets gain over one, at each number of images per class."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seqmatch.report.figures.style import NEUTRAL, Style, legend_above, letter_of, names_of, styled
from seqmatch.report.tables.comparison import LEVEL

HEIGHT = 1.9
"""Inches of a row of panels."""

APART = 0.11
"""Between methods of equal images per class, which stand in equal distances."""


@styled
def gains_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Differences of accuracy with their intervals against images per class; a row per data set, a column per `equal`.

    Args:
        table: rows of `results/comparison.csv` with `equal`, what method and baseline have alike. A point is filled
            where the difference is significant.
    """
    datasets, alike = (list(dict.fromkeys(table[name])) for name in ("dataset", "equal"))
    sizes = sorted(set(table["ipc"]), key=int)
    figure = Figure(figsize=(style.text, HEIGHT * len(datasets)))
    grid = figure.subplots(len(datasets), len(alike), squeeze=False, sharex=True, sharey="row")
    looks = style.looks(table["method"])
    for place, panel in enumerate(grid.flat):
        row, column = divmod(place, len(alike))
        panel.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        shown = table[(table["dataset"] == datasets[row]) & (table["equal"] == alike[column])]
        for index, (method, look) in enumerate(looks.items()):
            aside = APART * (index - (len(looks) - 1) / 2)
            _draw(panel, shown[shown["method"] == method], sizes, aside, look["color"])
        panel.set_title(f"({letter_of(place)}) {datasets[row]}, at equal {alike[column]}")
    grid[0, 0].set_xticks(range(len(sizes)), sizes)
    figure.supxlabel("images per class")
    figure.supylabel("gain of accuracy, percentage points")
    legend_above(figure, [*_legend(table, style)], style)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, sizes: list[str], aside: float, color: str) -> None:
    for row in rows.itertuples():
        place = sizes.index(row.ipc) + aside
        panel.plot([place, place], [row.low, row.high], color=color)
        panel.plot([place], [row.difference], "o", markersize=4, color=color, markerfacecolor=_fill(row.q, color))


def _fill(q: float, color: str) -> str:
    return color if q < LEVEL else "white"


def _legend(table: pd.DataFrame, style: Style) -> list[Line2D]:
    looks = style.looks(table["method"])
    methods = [
        Line2D([], [], color=looks[method]["color"], label=name) for method, name in names_of(table, "K").items()
    ]
    significant = Line2D([], [], marker="o", linestyle="", markersize=4, color=NEUTRAL, label="significant")
    return [*methods, significant]
