"""Time, memory and disk of each rule."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqmatch.report.figures.style import COLORS, STYLE, TWO_COLUMNS, lines

UNITS = {"h": 3600, "min": 60, "s": 1}
MEBIBYTES_A_GIBIBYTE = 1024


@mpl.rc_context(STYLE)
def resources_figure(table: pd.DataFrame) -> Figure:
    """Time of all jobs, peak memory of the largest, and size of all files, one bar per rule.

    Args:
        table: `results/resources.csv` of one data set: `rule`, `seconds`, `memory_mib`, `disk_mb`, one row per job.
    """
    rules = table.groupby("rule", sort=False)
    names = [lines(f"{rule} ({len(jobs)})") for rule, jobs in rules]
    seconds = rules["seconds"].sum()
    unit, length = next((unit, length) for unit, length in UNITS.items() if seconds.max() >= length or length == 1)
    columns = {
        f"time of all jobs, {unit}": seconds / length,
        "peak memory of a job, GiB": rules["memory_mib"].max() / MEBIBYTES_A_GIBIBYTE,
        "files, MB": rules["disk_mb"].sum(),
    }
    figure = Figure(figsize=(TWO_COLUMNS, 0.22 * len(names) + 0.8))
    axes = figure.subplots(1, len(columns), sharey=True)
    for panel, color, (title, values) in zip(axes, COLORS, columns.items(), strict=False):
        _bars(panel, names, values, color)
        panel.set_xlabel(title)
    axes[0].invert_yaxis()
    return figure


def _bars(panel: Axes, names: list[str], values: pd.Series, color: str) -> None:
    bars = panel.barh(names, values, color=color, height=0.7)
    panel.bar_label(
        bars, [f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in values], padding=2, fontsize=6
    )
    panel.margins(x=0.2)
    panel.tick_params(axis="y", length=0)
