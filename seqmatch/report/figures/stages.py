"""What each stage of a synthetic set adds to the accuracy of networks."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqmatch.report.figures.style import COLORS, STYLE, lines, note_failed, panels

CURRICULA = {"union": "stage k on S₁ ∪ … ∪ Sₖ", "subset": "stage k on Sₖ alone"}


@mpl.rc_context(STYLE)
def stages_figure(table: pd.DataFrame) -> Figure:
    """Test accuracy against the number of stages used, one panel per method, one line per curriculum.

    Args:
        table: `results/stages.csv` of one data set and ipc: `method`, `seed`, `curriculum`, `network`, `stages`,
            `accuracy`. Lines are means over seeds and networks that did not fail, bars one standard deviation.
    """
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = panels(len(methods), 2.5, sharey=True)
    for panel, method in zip(axes, methods, strict=True):
        for index, (curriculum, name) in enumerate(CURRICULA.items()):
            rows = table[(table["method"] == method) & (table["curriculum"] == curriculum)]
            spread = rows.groupby("stages")["accuracy"].agg(["mean", "std"]).fillna({"std": 0})
            aside = 0.04 * (2 * index - 1)  # so that the bars do not hide each other
            panel.errorbar(spread.index + aside, spread["mean"], spread["std"], fmt="o-", markersize=4, capsize=2,
                           elinewidth=0.8, color=COLORS[index], label=name)  # fmt: skip
        panel.set(title=lines(method), xlabel="stages used")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.margins(x=0.15)
        panel.legend(loc="best")
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel("test accuracy, %")
    note_failed(figure, table)
    return figure
