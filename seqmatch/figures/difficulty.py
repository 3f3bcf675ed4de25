"""Losses of easy and hard real training images while networks learn (Fig. 1 of the paper)."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from seqmatch.figures.style import ONE_COLUMN, STYLE, TWO_COLUMNS

COLORS = {"easy": "#0072B2", "hard": "#D55E00"}
"""Okabe–Ito colours, which colour-blind readers can tell apart."""


def difficulty_figure(table: pd.DataFrame) -> Figure:
    """Mean loss of easy and hard real training images against epochs, a panel a method (Fig. 1 of the paper).

    Args:
        table: `results/difficulty.csv` of one data set and ipc: `method`, `seed`, `network`, `stage`,
            `epoch`, `difficulty`, `share`, `mean_loss`. Lines are means over seeds and networks, bands one
            standard deviation; dashed lines mark where the next subset joins.
    """
    methods = list(dict.fromkeys(table["method"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(min(TWO_COLUMNS, ONE_COLUMN * len(methods)), 2.5))
        panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
        for panel, method in zip(panels, methods, strict=True):
            rows = table[table["method"] == method]
            for kind in ("easy", "hard"):
                _band(panel, rows[rows["difficulty"] == kind], kind)
            for stage in sorted(rows["stage"].unique())[1:]:
                before = rows.loc[rows["stage"] == stage - 1, "epoch"].max()
                panel.axvline(before, color="0.5", linestyle="--", linewidth=0.8)
                panel.annotate(f"$S_{stage}$ joins", (before, 0.97), (3, 0), ("data", "axes fraction"), "offset points",
                               va="top", color="0.35", fontsize=7)  # fmt: skip
            panel.set(title=method, xlabel="epochs on the synthetic set", yscale="log")
            panel.margins(x=0.02)
            panel.legend(loc="best")
        panels[0].set_ylabel("mean loss on real\ntraining images")
    return figure


def _band(panel, rows: pd.DataFrame, kind: str) -> None:
    spread = rows.groupby("epoch")["mean_loss"].agg(["mean", "std"]).fillna(0)
    share = rows.groupby("seed")["share"].first().mean() if len(rows) else 0.0
    panel.plot(spread.index, spread["mean"], color=COLORS[kind], linewidth=1.2, label=f"{kind} ({share:.0%})")
    low = (spread["mean"] - spread["std"]).clip(lower=spread["mean"] / 10)
    panel.fill_between(spread.index, low, spread["mean"] + spread["std"], color=COLORS[kind], alpha=0.2, linewidth=0)
