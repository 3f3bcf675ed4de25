"""Measure how far TESLA's first-order gradient is from the exact one, and draw it.

Takes the digits, random real images at ipc 2 in the place of synthetic ones, and starts and targets of experts, as
trajectory matching does; double precision. Writes one row per step size, number of student steps and match, and the
figure of docs/methods/tesla.md. Takes some minutes on one core.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
import torch
from matplotlib.lines import Line2D
from shared import command

from seqmatch import config
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import digits
from seqmatch.distillation.coresets import random_order
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.trajectory import picks
from seqmatch.files.store import provenance, save_table
from seqmatch.matching.derivatives import Derivatives, classifier, eager
from seqmatch.matching.unrolled import Descent, adjoint, distance, first_order
from seqmatch.networks import build, structure
from seqmatch.report.figures.style import Style, legend_above, logarithmic, panels, save, styled
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import record_trajectories
from seqmatch.training.loop import Phase, Stage

DIGITS = config.Dataset(source="digits", validation_fraction=0.1, augmentation=["color", "crop", "cutout", "scale"])
ARCHITECTURE = config.Architecture(family="convnet", width=16, depth=2)
EXPERTS = config.Experts(architecture="convnet", batch_size=64, learning_rate=0.05)
EPOCHS, NETWORKS, IPC = 12, 4, 2
RATES, STEPS, MATCHES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3), (1, 2, 5, 10, 20, 50), 8
SEED = Seed("first order")


def main(args):
    table = measure(RATES, STEPS, MATCHES)
    save_table(args.csv, table.round(6), provenance({"architecture": ARCHITECTURE.model_dump(), "ipc": IPC}))
    save(first_order_figure(table), [args.figure])
    means = table.groupby(["step_size", "steps"])[["error", "cosine"]].mean().unstack()
    print(means.round(3).to_string())


def measure(rates, steps, matches):
    """One row per step size, number of steps and match: relative error, and cosine with the exact gradient."""
    dataset = prepare(digits(), DIGITS, SEED / "data")
    trajectories = experts(dataset)
    order = random_order(SEED / "images")
    subset = initial_subset(dataset.split("train"), Part([IPC], 1), config.Coreset(), order, SEED)
    images, labels = subset.images.double(), subset.labels
    student = classifier(structure(ARCHITECTURE, dataset.shape, dataset.classes))
    derivatives = Derivatives(student.shapes, eager(student.loss), len(images))
    rows = []
    for count in steps:
        section = config.TrajectoryMatching(synthetic_steps=count, max_start_epoch=EPOCHS - 1)
        for number in range(matches):  # of one number, the same start and target for any number of steps
            (pick,) = picks(SEED / number, NETWORKS, section, labels, len(images), dataset.augmentation)
            start, target = (
                trajectories[pick.expert][epoch].double()
                for epoch in (pick.start_epoch, pick.start_epoch + section.expert_epochs)
            )
            for rate in rates:
                asked = start, distance(start, target), images, labels, pick.batches, Descent(rate)
                exact = adjoint(derivatives, 1, *asked).image_gradient
                cut = first_order(derivatives, *asked).image_gradient
                rows.append({
                    "step_size": rate, "steps": count, "match": number,
                    "error": float((cut - exact).norm() / exact.norm()),
                    "cosine": float(torch.cosine_similarity(cut.flatten(), exact.flatten(), dim=0)),
                })  # fmt: skip
    return pd.DataFrame(rows)


def experts(dataset):
    """The parameters of a few networks along their training on real data, (epochs + 1, P) each."""
    real = Stage(*dataset.split("train"), EXPERTS.learning_rate)
    new_network = partial(build, ARCHITECTURE, dataset.shape, dataset.classes)
    members = [
        Member(partial(new_network, SEED / index / "initial"), [Phase(real, EPOCHS, EXPERTS, SEED / index / "real")])
        for index in range(NETWORKS)
    ]
    return record_trajectories(members, dataset.augmentation)


TITLES = {"error": "relative error of the gradient", "cosine": "cosine with the exact gradient"}


@styled
def first_order_figure(table, style: Style):
    """Relative error and cosine against the number of steps, a line for each step size; bands are all matches."""
    figure, axes = panels(TITLES, style, 1.9, sharey=False)
    names = {rate: f"step size {rate:g}" for rate in sorted(table["step_size"].unique())}
    looks = style.looks(names.values())
    for quantity, panel in axes.items():
        for rate, rows in table.groupby("step_size"):
            look = looks[names[rate]]
            # exact for one step: nothing on a logarithmic axis
            shown = rows[rows["steps"] > 1] if quantity == "error" else rows
            spread = shown.groupby("steps")[quantity].agg(["mean", "min", "max"])
            panel.plot(spread.index, spread["mean"], marker="o", markersize=2.5, **look)
            panel.fill_between(spread.index, spread["min"], spread["max"], color=look["color"], alpha=0.15, lw=0)
        ticks = sorted(shown["steps"].unique())
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, labels=ticks)
        panel.set_xlabel("student steps")
    logarithmic(axes["error"])
    legend_above(figure, [Line2D([], [], label=name, **looks[name]) for name in names.values()], style)
    return figure


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "--csv", type=command.table_file, default=command.ROOT / "docs/results/first-order.csv", help="table to write"
    )
    arguments.add_argument(
        "--figure",
        type=command.figure_file,
        default=command.ROOT / "docs/figures/first-order.png",
        help="figure to write",
    )
    command.run(main, arguments)
