"""What rounding experts to half precision does to matching: `uv run python -m benchmarks.precision`.

Takes the experts of a cell that an experiment has made (by default `mtt` of the default one), rounds them in several
ways, matches the same parts of trajectories from each as the cell's method does, and compares the matching loss and its
gradient for the images with those from full precision.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from seqmatch import config, networks
from seqmatch.command import experiment
from seqmatch.command.arguments import count, images_per_class, name
from seqmatch.command.frame import errors_in_words
from seqmatch.config import Run
from seqmatch.data.dataset import Dataset, load
from seqmatch.distillation.coresets import random_order
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.trajectory import picks
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import Derivatives, classifier, eager
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Descent, adjoint, distance
from seqmatch.planning.jobs import Plan
from seqmatch.runtime.device import prepare as prepare_device
from seqmatch.seeds import Seed
from seqmatch.training.experts import Trajectories

SEED = Seed("precision")

Rounding = Callable[[Tensor, Tensor], Tensor]
"""The start and the present parameters of an expert to what a file in some precision gives back."""

STORAGE: dict[str, Rounding] = {
    "bfloat16": lambda start, now: now.bfloat16().float(),
    "float16": lambda start, now: now.half().float(),
    "float16 of the moves from the start": lambda start, now: start + (now - start).half(),
}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument("--dataset", type=name, default="digits", help="of the cell (default digits)")
    arguments.add_argument("--ipc", type=images_per_class, default="2", help="of the cell (default 2)")
    arguments.add_argument("--method", type=name, default="mtt", help="that matches trajectories (default mtt)")
    arguments.add_argument("--matches", type=count, default=20, help="how many (default 20)")
    arguments.add_argument("--threads", type=count, default=1, help="of the processor (default 1)")
    args = arguments.parse_args()
    with errors_in_words():
        report(args)


def report(args: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        SeqmatchError: the experiment has no such cell, it matches no trajectories, or its experts are not there.
    """
    plan = Plan(config.load(experiment.merged_in(args)))
    run = plan.experiment.runs.get((args.dataset, args.method, args.ipc))
    if run is None or not run.stages or not isinstance(run.stages[0], config.TrajectoryMatching):
        raise SeqmatchError(
            f"{args.method} on {args.dataset} at ipc {args.ipc}: no method of this experiment that matches trajectories"
        )
    architecture = plan.experiment.config.architectures[run.architecture]
    recipe = {"dataset": args.dataset, "recipe": run.stages[0].experts}
    shards = plan.outputs("train_experts", lambda of: recipe.items() <= of.items())
    prepare_device(0, args.threads)
    with Trajectories([Path(shard) for shard in shards]) as experts:
        data = load(Path("results", args.dataset, "data.safetensors"))
        exact, table = compared(experts, data, run, architecture, args.matches)
    print(f"{args.matches} matches, mean matching loss {exact:.4f}; relative differences")
    print(table.to_markdown(index=False, floatfmt=".1e"))


def compared(
    experts: Trajectories, data: Dataset, run: Run, architecture: config.Architecture, number: int
) -> tuple[float, pd.DataFrame]:
    """Mean matching loss in full precision, and a row of relative differences from it for each way to store experts."""
    of = partial(matches, experts, data, run, architecture, number)
    exact = of(lambda start, now: now)
    rows = [{"stored as": name} | _differences(of(rounding), exact) for name, rounding in STORAGE.items()]
    return sum(match.loss for match in exact) / number, pd.DataFrame(rows)


def matches(
    experts: Trajectories,
    data: Dataset,
    run: Run,
    architecture: config.Architecture,
    number: int,
    rounding: Rounding,
) -> list[Match]:
    """Of a run's first subset, real images as yet, at the step size that distillation begins with."""
    stage = run.stages[0].model_copy(update={"experts_per_step": number})
    order = random_order(SEED / "images")
    subset = initial_subset(data.split("train"), Part([run.sizes[0]], 1), stage, order, SEED)
    batch = stage.synthetic_batch or len(subset.labels)
    student = classifier(networks.structure(architecture, data.shape, data.classes))
    derivatives = Derivatives(student.shapes, eager(student.loss), batch)
    found = []
    for pick in picks(SEED / "picks", len(experts), stage, subset.labels, batch, data.augmentation):
        first, start, end = (
            experts.parameters(pick.expert, epoch)
            for epoch in (0, pick.start_epoch, pick.start_epoch + stage.expert_epochs)
        )
        ends = rounding(first, start), rounding(first, end)
        about = subset.images, subset.labels, pick.batches, Descent(stage.initial_step_size)
        found.append(adjoint(derivatives, 1, ends[0], distance(*ends), *about))
    return found


def _differences(found: list[Match], exact: list[Match]) -> dict[str, float]:
    pairs = list(zip(found, exact, strict=True))
    losses = torch.tensor([abs(ours.loss - theirs.loss) / theirs.loss for ours, theirs in pairs])
    gradients = torch.tensor(
        [(ours.image_gradient - theirs.image_gradient).norm() / theirs.image_gradient.norm() for ours, theirs in pairs]
    )
    return {
        "loss, median": float(losses.median()),
        "loss, largest": float(losses.max()),
        "gradient, median": float(gradients.median()),
        "gradient, largest": float(gradients.max()),
    }


if __name__ == "__main__":
    main()
