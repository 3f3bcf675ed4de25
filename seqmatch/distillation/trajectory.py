"""Trajectory matching (MTT, Cazenavette et al. 2022), one iteration after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.step import Problem, Step, augmented
from seqmatch.errors import SeqmatchError
from seqmatch.matching.dispatch import best_unroll, first_order_unroll
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Descent, Minibatch, Unroll, distance
from seqmatch.seeds import Seed
from seqmatch.training.experts import Trajectories
from seqmatch.transforms import dsa


@dataclass(frozen=True)
class Pick:
    """A part of a trajectory to match, and the student's minibatches."""

    expert: int
    start_epoch: int
    batches: list[Minibatch]


Draw = Callable[[int, int, int, torch.Generator], list[Tensor]]
"""Minibatches for a student: indices of images, from how many there are, the size of a batch, steps and a generator."""


def minibatches(total: int, batch_size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """`steps` index tensors that pass over 0 … total − 1 again and again, in a new order each time."""
    batches: list[Tensor] = []
    while len(batches) < steps:
        batches += torch.randperm(total, generator=generator).split(batch_size)
    return batches[:steps]


def make_step(problem: Problem, batch: int | None = None, draw: Draw = minibatches) -> Step:
    """Match by the way that suits the size of the problem.

    Args:
        batch: images per student step; by default as many as S_k has, unless set.
        draw: its minibatches.
    """
    matching = problem.matching
    batch = min(batch or matching.synthetic_batch or problem.new, len(problem.labels))
    return trajectory_step(
        problem.trajectories,
        _unroll(problem, batch),
        problem.labels,
        batch,
        matching,
        problem.augmentation,
        problem.seed,
        draw,
    )


def _unroll(problem: Problem, batch: int) -> Unroll:
    matching = problem.matching
    if matching.adjoint == "first-order":
        return first_order_unroll(problem.structure(), problem.activations, batch, problem.device)
    return best_unroll(
        problem.structure(),
        problem.compile,
        problem.activations,
        batch,
        matching.synthetic_steps,
        matching.iterations * matching.experts_per_step,
        problem.device,
        problem.kept_memory,
    )


def trajectory_step(
    trajectories: Trajectories,
    unroll: Unroll,
    labels: Tensor,
    batch_size: int,
    matching: config.TrajectoryMatching,
    augmentation: Sequence[str],
    seed: Seed,
    draw: Draw = minibatches,
) -> Step:
    """Match parts of expert trajectories (MTT, Cazenavette et al. 2022), `matching.experts_per_step` per iteration.

    Args:
        unroll: how to match.
        labels: of all synthetic images, on their device.
        batch_size: images per student step.
        draw: its minibatches.

    Raises:
        SeqmatchError: the experts are too short.
    """
    _check(trajectories, matching)

    def step(images: Tensor, step_size: float, iteration: int, labels: Tensor = labels) -> Match:
        matches = []
        for pick in picks(
            seed / iteration, len(trajectories), matching, labels, batch_size, augmentation, iteration, draw
        ):
            start, target = (
                trajectories.parameters(pick.expert, epoch).to(images.device)
                for epoch in (pick.start_epoch, pick.start_epoch + matching.expert_epochs)
            )
            matches.append(unroll(start, distance(start, target), images, labels, pick.batches, Descent(step_size)))
        return _mean(matches)

    return step


def picks(
    seed: Seed,
    experts: int,
    matching: config.TrajectoryMatching,
    labels: Tensor,
    batch_size: int,
    augmentation: Sequence[str],
    iteration: int = 0,
    draw: Draw = minibatches,
) -> Iterator[Pick]:
    """What an iteration matches: `matching.experts_per_step` picks, all from one generator."""
    generator, starts = seed.generator(), start_epochs(matching, iteration)
    for _ in range(matching.experts_per_step):
        expert = int(torch.randint(experts, (), generator=generator))
        start_epoch = starts[int(torch.randint(len(starts), (), generator=generator))]
        batches = []
        for index in draw(len(labels), batch_size, matching.synthetic_steps, generator):
            drawn = dsa.draw(augmentation, len(index), generator)
            batches.append(augmented(index.to(labels.device, non_blocking=True), drawn))
        yield Pick(expert, start_epoch, batches)


def start_epochs(matching: config.TrajectoryMatching, iteration: int) -> range:
    """Epochs that a part of a trajectory may begin with: of DATM, those of a range with an end that grows."""
    end, first = matching.max_start_epoch, getattr(matching, "initial_max_start_epoch", None)
    if first is not None:
        end = min(first + (end - first) * iteration // matching.expansion_iterations, end)
    return range(getattr(matching, "min_start_epoch", 0), end)


def _mean(matches: Sequence[Match]) -> Match:
    """Losses and gradients averaged."""
    count = len(matches)
    return Match(
        sum(match.loss for match in matches) / count,
        torch.stack([match.image_gradient for match in matches]).sum(0) / count,
        sum(match.step_size_gradient for match in matches) / count,
        None if matches[0].label_gradient is None else sum(match.label_gradient for match in matches) / count,
    )


def _check(trajectories: Trajectories, matching: config.TrajectoryMatching) -> None:
    if matching.fault:
        raise SeqmatchError(matching.fault)
    if trajectories.epochs < matching.last_epoch:
        raise SeqmatchError(
            f"experts recorded {trajectories.epochs} epochs, but max_start_epoch {matching.max_start_epoch} with "
            f"expert_epochs {matching.expert_epochs} reaches epoch {matching.last_epoch}; record more, or lower either"
        )
