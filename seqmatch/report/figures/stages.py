"""What each stage of a synthetic set adds to the accuracy of networks."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from seqmatch.report.figures import captions
from seqmatch.report.figures.style import (
    NEUTRAL,
    Style,
    failures,
    legend_above,
    names_of,
    note_failed,
    panels,
    styled,
)

CURRICULA = {"union": "stage k on S₁ ∪ … ∪ Sₖ", "subset": "stage k on Sₖ alone"}
LOOKS = {"union": {"linestyle": "-", "marker": "o"}, "subset": {"linestyle": "--", "marker": "s"}}


@styled
def stages_figure(table: pd.DataFrame, style: Style) -> Figure:
    """Test accuracy against the number of stages used, one panel per method, one line per curriculum.

    Args:
        table: `results/stages.csv` of one data set and ipc: `method`, `seed`, `curriculum`, `network`, `stages`,
            `accuracy`. Lines are means over seeds and networks that did not fail, bars one standard deviation.
    """
    figure, axes = panels(names_of(table, "stages"), style, 1.9)
    looks = style.looks(axes)
    for method, panel in axes.items():
        for index, (curriculum, look) in enumerate(LOOKS.items()):
            rows = table[(table["method"] == method) & (table["curriculum"] == curriculum)]
            spread = rows.groupby("stages")["accuracy"].agg(["mean", "std"]).fillna({"std": 0})
            aside = 0.02 * (2 * index - 1)  # so that the bars do not hide each other
            panel.errorbar(spread.index + aside, spread["mean"], spread["std"], markersize=3.5, capsize=2,
                           elinewidth=0.8, color=looks[method]["color"], **look)  # fmt: skip
        panel.set(xlabel="stages used")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.margins(x=0.1)
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel("test accuracy, %")
    color = NEUTRAL if len(axes) > 1 else looks[method]["color"]
    handles = [
        Line2D([], [], color=color, markersize=3.5, label=CURRICULA[name], **look) for name, look in LOOKS.items()
    ]
    legend_above(figure, handles, style)
    note_failed(figure, table)
    return figure


def stages_caption(table: pd.DataFrame) -> str:
    """What `stages_figure` shows of a table."""
    return captions.sentences(
        f"Test accuracy ({captions.where(table)}) of networks after one stage of a synthetic set, two stages and so on",
        "Stage k trains on the union of the first k subsets, or on the k-th alone",
        "Points are means over seeds and networks, bars one standard deviation",
        captions.counted(table),
        failures(table),
    )
