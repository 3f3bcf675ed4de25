"""Time, memory and disk of each rule."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqmatch.report.figures import captions
from seqmatch.report.figures.style import NEUTRAL, Style, lines, styled

TIME = {"h": 3600.0, "min": 60.0, "s": 1.0}
MEMORY = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024}
MEBIBYTE = 1.048576
"""In megabytes."""


@styled
def resources_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Time of all jobs, peak memory of the largest, and size of all files, one bar per rule.

    Args:
        table: `results/resources.csv` of one data set: `rule`, `seconds`, `memory_mib`, `disk_mb`, one row per job.
    """
    rules = table.groupby("rule", sort=False)
    names = [lines(f"{rule.replace('_', ' ')} ({len(jobs)})", style.text / 3) for rule, jobs in rules]
    columns = {
        "time of all jobs": (rules["seconds"].sum(), TIME),
        "peak memory of a job": (rules["memory_mib"].max(), MEMORY),
        "files": (rules["disk_mb"].sum() / MEBIBYTE, MEMORY),
    }
    figure = Figure(figsize=(style.text, 0.02 * style.size * len(names) + 0.6))
    axes = figure.subplots(1, len(columns), sharey=True)
    for panel, (title, (values, units)) in zip(axes, columns.items(), strict=True):
        _bars(panel, names, values, units)
        panel.set_title(title)
    axes[0].invert_yaxis()
    return figure


def _bars(panel: Axes, names: Sequence[str], values: pd.Series, units: dict[str, float]) -> None:
    bars = panel.barh(names, values, color=NEUTRAL, height=0.7)
    panel.bar_label(bars, [measured(value, units) for value in values], padding=2, fontsize="small")
    panel.margins(x=0.35)
    panel.set_xticks([])
    panel.spines["bottom"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def measured(value: float, units: dict[str, float]) -> str:
    """A value in the largest of some units, from large to small, of which it has one at least."""
    unit = next((unit for unit, size in units.items() if value >= size), list(units)[-1])
    number = value / units[unit]
    return f"{number:.0f} {unit}" if number >= 10 or number == 0 else f"{number:.1f} {unit}"


def resources_caption(table: pd.DataFrame) -> str:
    """What `resources_figure` shows of a table."""
    return captions.sentences(
        f"What the rules that compute took ({captions.where(table)}), with the number of their jobs in brackets: time "
        "of all jobs one after the other, peak memory of the largest job, and size of the files that are there",
        f"All {len(table)} jobs: {measured(table['seconds'].sum(), TIME)}",
    )
