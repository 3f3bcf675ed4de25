"""Accuracy of the images that amplify more against that of the others (Fig. 2 of the paper)."""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import linregress, t

from seqmatch.errors import SeqmatchError
from seqmatch.report.figures.style import LEGEND_LINE, STYLE, TWO_COLUMNS, lines, looks, note_failed

MARKERS = "osD^vP*X"
LEGEND_HEIGHT = 0.15
"""Height of a line of the legend, in inches."""

RUN = ["method", "ipc", "seed"]


@dataclass(frozen=True)
class Line:
    """A least-squares line and the 95 % confidence interval of its slope."""

    slope: float
    intercept: float
    low: float
    high: float


def fit(x: pd.Series, y: pd.Series) -> Line | None:
    """The line through points, None where they are fewer than three or all above one x."""
    if len(x) < 3 or x.nunique() < 2:
        return None
    found = linregress(x, y)
    half = t.ppf(0.975, len(x) - 2) * found.stderr
    return Line(found.slope, found.intercept, found.slope - half, found.slope + half)


def coupling_points(table: pd.DataFrame) -> pd.DataFrame:
    """The differences between the halves, larger − smaller, of each run and seed.

    Args:
        table: `results/coupling.csv` of one data set: `method`, `ipc`, `seed`, `half`, `network`, `amplification`,
            `accuracy`.

    Returns:
        One row per run and seed: `method`, `ipc`, `seed`, `amplification` and `accuracy` (means over networks), `std`
        (of the accuracy's difference over networks that share their draws).

    Raises:
        SeqmatchError: a network was trained on one half alone.
    """
    sizes = table.groupby([*RUN, "network"])["half"].size()
    if (sizes != 2).any():
        raise SeqmatchError(f"{', '.join(map(str, sizes.idxmin()))}: there must be a row of each half of this network")
    wide = table.pivot(index=[*RUN, "network"], columns="half", values=["amplification", "accuracy"])
    difference = wide.xs("larger", axis=1, level="half") - wide.xs("smaller", axis=1, level="half")
    runs = difference.groupby(RUN, sort=False)
    points = runs.mean().assign(std=runs["accuracy"].std().fillna(0))
    return points.loc[list(dict.fromkeys(table[RUN].itertuples(index=False, name=None)))].reset_index()


@mpl.rc_context(STYLE)
def coupling_figure(table: pd.DataFrame) -> Figure:
    """Difference in accuracy against difference in amplification between the halves, a point a run and seed.

    Args:
        table: as `coupling_points` takes it. Bars are one standard deviation over networks. Lines are least-squares
            fits through all points, and through those of each of several methods, where there are at least three.
    """
    points = coupling_points(table).dropna(subset="accuracy")
    figure = Figure()
    panel = figure.subplots()
    panel.axhline(0, color="0.7", linewidth=0.8)
    sizes = dict(zip(sorted(points["ipc"].unique(), key=int), MARKERS * len(points), strict=False))
    methods = looks(points["method"])
    for (method, ipc), rows in points.groupby(["method", "ipc"], sort=False):
        panel.errorbar(rows["amplification"], rows["accuracy"], rows["std"], fmt=sizes[ipc], markersize=4.5,
                       color=methods[method]["color"], elinewidth=0.8, capsize=2,
                       label=lines(method if len(sizes) == 1 else f"{method}, ipc {ipc}", LEGEND_LINE))  # fmt: skip
    _draw_line(panel, points, "all", color="0.4")
    if len(methods) > 1:
        for method, look in methods.items():
            _draw_line(panel, points[points["method"] == method], method, color=look["color"])
    panel.set(
        xlabel="amplification of an image: S⁺ − S⁻",
        ylabel="test accuracy: S⁺ − S⁻, points",
    )
    legend = figure.legend(loc="outside right upper")
    note_failed(figure, table)
    height = sum(text.get_text().count("\n") + 1 for text in legend.get_texts()) + 2
    figure.set_size_inches(TWO_COLUMNS, max(2.6, LEGEND_HEIGHT * height))
    return figure


def _draw_line(panel: Axes, points: pd.DataFrame, name: str, color: str) -> None:
    line = fit(points["amplification"], points["accuracy"])
    if line is None:
        return
    ends = np.array([points["amplification"].min(), points["amplification"].max()])
    slope, low, high = (f"{value:.1f}".replace("-", "−") for value in (line.slope, line.low, line.high))
    label = f"{lines(name, LEGEND_LINE)}: slope {slope} (95 % CI {low} to {high})"
    panel.plot(ends, line.intercept + line.slope * ends, color=color, linestyle="--", linewidth=1, label=label)
