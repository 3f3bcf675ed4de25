"""From measurements to a table, CSV files and a figure."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from benchmarks.cases import OURS, PLAIN, TUNED, Case, Curve, least_flops


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
    _figure(table, points).savefig(folder / "performance.png", dpi=150)
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


def _figure(table: pd.DataFrame, points: pd.DataFrame) -> plt.Figure:
    compared = table[table["way"] != OURS].iloc[::-1]
    figure, (bars, time, memory) = plt.subplots(1, 3, figsize=(13, 5), layout="constrained", width_ratios=[2.2, 1, 1])
    rows = list(dict.fromkeys(compared["task"] + "\n" + compared["sizes"]))
    for way, shift, color in ((PLAIN, 0.2, "#4c72b0"), (TUNED, -0.2, "#dd8452")):
        part = compared[compared["way"] == way]
        if part.empty:  # on a GPU no allocator is tuned
            continue
        places = [rows.index(row) + shift for row in part["task"] + "\n" + part["sizes"]]
        drawn = bars.barh(places, 1 / part["seqmatch / this, time"], 0.38, color=color, label=f"than {way}")
        bars.bar_label(drawn, fmt="%.1f", padding=2, fontsize=7)
    bars.set_yticks(range(len(rows)), rows, fontsize=6)
    bars.set_xscale("log")
    bars.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    bars.xaxis.set_major_formatter("{x:g}")
    bars.xaxis.set_minor_formatter("")
    bars.axvline(1, color="black", linewidth=0.8)
    bars.margins(x=0.12)
    bars.set_xlabel("times faster")
    bars.legend(fontsize=8, loc="lower right")
    for axes, column, label in ((time, "seconds", "seconds per iteration"), (memory, "peak MB", "peak memory in MB")):
        for name, part in points.groupby("against", sort=False) if len(points) else ():
            axes.plot(part["value"], part[column], marker="o", label=LEGEND[str(name)])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("number")
        axes.set_ylabel(label)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.xaxis.set_major_formatter("{x:g}")
    if len(points):
        time.legend(fontsize=8)
        memory.legend(fontsize=8)
        memory.set_ylim(100, 10_000)
    return figure


LEGEND = {"T": "synthetic steps (T)", "B": "images per step (B)", "experts": "experts per step"}
