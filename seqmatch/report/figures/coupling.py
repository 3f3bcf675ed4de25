"""Accuracy of the images that amplify more against that of the others (Fig. 2 of the paper)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import linregress, t

from seqmatch.errors import SeqmatchError, number
from seqmatch.report.figures import captions
from seqmatch.report.figures.style import FILLS, Style, failures, legend_above, names_of, note_failed, styled
from seqmatch.report.tables.comparison import CONFIDENCE

MARKERS = "osD^vP*X"

CHAIN = ["method", "ipc", "seed"]

LEAST_POINTS = 3
"""That a line is fitted to."""


@dataclass(frozen=True)
class Line:
    """A least-squares line with its 95 % confidence intervals: of the slope, and around it."""

    slope: float
    intercept: float
    low: float
    high: float
    points: pd.Series
    spread: float
    """Half the interval around the line at the mean of the points; it grows away from there."""

    def at(self, x: np.ndarray) -> np.ndarray:
        return self.intercept + self.slope * x

    def half(self, x: np.ndarray) -> np.ndarray:
        """Half the interval around the line."""
        return np.hypot(self.spread, (self.high - self.slope) * (x - self.points.mean()))


def fit(x: pd.Series, y: pd.Series) -> Line | None:
    """The line through points, None where they are fewer than three or all above one x."""
    if len(x) < LEAST_POINTS or x.nunique() < 2:
        return None
    found, freedom = linregress(x, y), len(x) - 2
    factor = t.ppf(0.5 + CONFIDENCE / 2, freedom)
    half = factor * found.stderr if y.nunique() > 1 else 0.0  # scipy has none for a level line
    residuals = y - found.intercept - found.slope * x
    spread = factor * float(np.sqrt((residuals**2).sum() / freedom / len(x)))
    return Line(found.slope, found.intercept, found.slope - half, found.slope + half, x, spread)


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
    sizes = table.groupby([*CHAIN, "network"])["half"].size()
    if (sizes != 2).any():
        raise SeqmatchError(f"{', '.join(map(str, sizes.idxmin()))}: there must be a row of each half of this network")
    wide = table.pivot(index=[*CHAIN, "network"], columns="half", values=["amplification", "accuracy"])
    difference = wide.xs("larger", axis=1, level="half") - wide.xs("smaller", axis=1, level="half")
    runs = difference.groupby(CHAIN, sort=False)
    points = runs.mean().assign(std=runs["accuracy"].std().fillna(0))
    return points.loc[list(dict.fromkeys(table[CHAIN].itertuples(index=False, name=None)))].reset_index()


def fits(points: pd.DataFrame) -> dict[tuple[str, str], Line]:
    """The line of each method and ipc that has enough points: one for each distillation seed."""
    runs = points.groupby(["method", "ipc"], sort=False)
    found = {run: fit(rows["amplification"], rows["accuracy"]) for run, rows in runs}
    return {run: line for run, line in found.items() if line is not None}


@styled
def coupling_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Difference in accuracy against difference in amplification between the halves, a point a run and seed.

    Args:
        table: as `coupling_points` takes it. Bars are one standard deviation over networks. Lines are least-squares
            fits through the points of each method and ipc with three at least, with their 95 % confidence intervals.
    """
    points = coupling_points(table).dropna(subset="accuracy")
    figure = Figure(figsize=(style.text * 0.7, style.text * 0.42))
    panel = figure.subplots()
    panel.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    sizes = dict(zip(sorted(points["ipc"].unique(), key=int), MARKERS * len(points), strict=False))
    looks, names, handles = style.looks(table["method"]), run_names(points), []
    for (method, ipc), rows in points.groupby(["method", "ipc"], sort=False):
        drawn = panel.errorbar(rows["amplification"], rows["accuracy"], rows["std"], fmt=sizes[ipc], markersize=4.5,
                               color=looks[method]["color"], fillstyle=FILLS[looks[method]["linestyle"]],
                               elinewidth=0.8, capsize=2,
                               alpha=0.8, label=names[method, ipc])  # fmt: skip
        handles.append(drawn)
    for (method, _), line in fits(points).items():
        _draw_line(panel, line, looks[method]["color"])
    panel.set(
        xlabel="difference of mean amplification\n(half that is amplified more − other half)",
        ylabel="difference of test accuracy,\npercentage points",
    )
    legend_above(figure, handles, style)
    note_failed(figure, table)
    return figure


def run_names(points: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What each method and ipc is called: by the method alone, where there is one ipc."""
    names, several = names_of(points), points["ipc"].nunique() > 1
    runs = dict.fromkeys(points[["method", "ipc"]].itertuples(index=False, name=None))
    return {(method, ipc): names[method] + f", ipc {ipc}" * several for method, ipc in runs}


def _draw_line(panel: Axes, line: Line, color: str) -> None:
    x = np.linspace(line.points.min(), line.points.max(), 50)
    panel.plot(x, line.at(x), color=color, linestyle="--", linewidth=1)
    panel.fill_between(x, line.at(x) - line.half(x), line.at(x) + line.half(x), color=color, alpha=0.12, linewidth=0)


def coupling_caption(table: pd.DataFrame) -> str:
    """What `coupling_figure` shows of a table."""
    points = coupling_points(table).dropna(subset="accuracy")
    names, lines = run_names(points), fits(points)
    slopes = [
        f"{names[run]} {line.slope:.1f} ({line.low:.1f} to {line.high:.1f})".replace(" -", " −").replace("(-", "(−")
        for run, line in lines.items()
    ]
    fitted = (
        f"Dashed lines are least-squares fits with {100 * CONFIDENCE:.0f} % confidence intervals; slopes: "
        + ", ".join(slopes)
        if slopes
        else f"No method has the {LEAST_POINTS} points that a line is fitted to"
    )
    below = (points["accuracy"] < 0).sum()
    return captions.sentences(
        f"Each synthetic set ({captions.where(table)}) is split, class by class, in the half whose images are "
        "amplified more, that is, change the student's gradient more, and the other half",
        "A point is a run and seed: the difference of the halves' mean amplification (norm of the Jacobian of the "
        "gradient with respect to a normalised image), and of the test accuracies of networks that learned from one "
        "half; bars are one standard deviation over networks",
        f"In {below} of {number(len(points), 'set')} the half that is amplified more teaches less",
        fitted,
        captions.counted(table),
        failures(table),
    )
