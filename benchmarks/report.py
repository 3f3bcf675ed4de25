"""From measurements to a table, CSV files and a figure."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from benchmarks.cases import OURS, PLAIN, TUNED, Case, Curve, least_flops
from seqmatch.report.figures.style import NEUTRAL, STYLES, Style, legend_above, save, styled


@dataclass(frozen=True)
class Measurement:
    """One process."""

    first: float
    """Seconds of the first call, compilation included."""
    seconds: list[float]
    """Of each later call."""
    megabytes: float
    """Peak memory of the whole process."""
    before: float
    """The peak before the first call: PyTorch itself and the data."""


Results = dict[tuple[str, str], list[Measurement]]


def write(
    folder: Path,
    peaks: list[Case],
    cases: list[Case],
    scaling: list[Curve],
    results: Results,
    about: dict[str, object],
) -> str:
    """Write everything; returns the table and the slopes as text.

    Args:
        peaks: cases whose speed the others are held against.
    """
    rates = {case.task: least_flops(case, OURS) / min(_seconds(results[case.name, OURS])) for case in peaks}
    peak = max(rates.values())
    table = pd.DataFrame([_row(case, way, peak, results) for case in cases for way in case.ways])
    points = pd.DataFrame([_point(name, fixed, case, results) for name, fixed, part in scaling for case in part])
    reached = {f"{task} peak, GFLOP/s": round(rate / 1e9, 1) for task, rate in rates.items()}
    about = about | reached | {"slopes": _slopes(points)}
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "cases.csv", index=False)
    points.to_csv(folder / "curves.csv", index=False)
    (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    save(speed_figure(table, style=STYLES["wide"]), [folder / "performance.png"], STYLES["wide"])
    lines = [json.dumps(about, indent=2), "", table.to_markdown(index=False), ""]
    return "\n".join(lines + ([points.to_markdown(index=False)] if len(points) else []))


def _seconds(measurements: list[Measurement]) -> list[float]:
    return [second for measurement in measurements for second in measurement.seconds]


def _row(case: Case, way: str, peak: float, results: Results) -> dict[str, object]:
    ours, own = results[case.name, OURS], results[case.name, way]
    seconds, memory = _seconds(own), max(measurement.megabytes for measurement in own)
    flops = least_flops(case, way)
    return {
        "task": case.task,
        "sizes": ", ".join(f"{key} {value}" for key, value in case.sizes.items()),
        "way": way,
        "processes": len(own),
        "seconds": _rounded(median(seconds)),
        "least": _rounded(min(seconds)),
        "most": _rounded(max(seconds)),
        "first call": _rounded(median(measurement.first for measurement in own)),
        "peak MB": round(memory),
        "MB before": round(median(measurement.before for measurement in own)),
        "share of peak": round(flops / median(seconds) / peak, 2) if flops else None,
        "seqmatch / this, time": round(median(_seconds(ours)) / median(seconds), 3),
        "seqmatch / this, memory": round(max(m.megabytes for m in ours) / memory, 3),
    }


def _point(name: str, fixed: str, case: Case, results: Results) -> dict[str, object]:
    measurements = results[case.name, OURS]
    return {
        "against": name,
        "fixed": fixed,
        "value": case.sizes[name],
        "seconds": _rounded(median(_seconds(measurements))),
        "peak MB": round(max(measurement.megabytes for measurement in measurements)),
    }


def _slopes(points: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of the logarithms: 1 is proportional, 0 is flat."""
    return {
        str(name): {
            column: round(float(np.polyfit(np.log(part["value"]), np.log(part[column]), 1)[0]), 3)
            for column in ("seconds", "peak MB")
        }
        for name, part in (points.groupby("against", sort=False) if len(points) else ())
    }


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")


@styled
def speed_figure(table: pd.DataFrame, style: Style) -> Figure:
    """How many times faster than the plain versions each case is; 1 is as fast.

    Args:
        table: `cases.csv`.
    """
    compared = table[table["way"].isin(LOOKS)]
    rows = list(dict.fromkeys(zip(compared["task"], compared["sizes"], strict=True)))
    figure = Figure(figsize=(style.text, ROW * len(rows) + 0.6))
    panel = figure.subplots()
    panel.axvline(1, color="0.7", linewidth=0.8, zorder=0)
    ways = [way for way in LOOKS if (compared["way"] == way).any()]  # on a GPU no allocator is tuned
    for way in ways:
        part = compared[compared["way"] == way]
        places = [rows.index(row) for row in zip(part["task"], part["sizes"], strict=True)]
        panel.plot(1 / part["seqmatch / this, time"], places, **LOOKS[way])
    panel.set_yticks(range(len(rows)), [in_words(*row) for row in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5)))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter("")
    panel.set_xlabel("times faster")
    panel.grid(axis="y", color="0.93")
    panel.set_axisbelow(True)
    legend_above(figure, [Line2D([], [], label=f"than {way}", **LOOKS[way]) for way in ways], style)
    return figure


def in_words(task: str, sizes: str) -> str:
    """A case, shortly: ``matching: B 100, T 10, width 128, 32×32×3, compiled``."""
    words = re.sub(r"pixels (\d+), channels (\d+)", r"\1×\1×\2", sizes)
    return f"{task}: {words.replace('compile always', 'compiled').replace(', compile never', '')}"


ROW = 0.27
"""Inches of a row."""

COMMON = {"linestyle": "", "marker": "o", "markersize": 6, "color": NEUTRAL}
LOOKS = {PLAIN: COMMON | {"markerfacecolor": "white"}, TUNED: COMMON}
