"""Trajectory matching (MTT, Cazenavette et al. 2022), one iteration after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation.step import Step
from seqmatch.errors import SeqmatchError
from seqmatch.matching.match import Match, is_finite
from seqmatch.matching.trajectory import MatchTrajectory, Minibatch, View
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset
from seqmatch.training.experts import Trajectories
from seqmatch.transforms import dsa


@dataclass(frozen=True)
class Pick:
    """A piece of a trajectory to match, and the student's minibatches."""

    expert: int
    start_epoch: int
    batches: list[Minibatch]


def trajectory_step(
    trajectories: Trajectories,
    network: nn.Module,
    match_trajectory: MatchTrajectory,
    labels: Tensor,
    batch_size: int,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
) -> Step:
    """Match pieces of expert trajectories (MTT, Cazenavette et al. 2022), `settings.experts_per_step` an iteration.

    Args:
        network: architecture of the experts; only its shapes matter.
        match_trajectory: how to match.
        labels: of all synthetic images, on their device.
        batch_size: images of a student step.

    Raises:
        SeqmatchError: the experts are too short; from the step: the loss is not finite.
    """
    _check_length(trajectories, settings)

    def step(images: Tensor, step_size: float, iteration: int) -> Match:
        matches = []
        for pick in picks(seed / iteration, len(trajectories), settings, labels, batch_size, augmentation):
            start, target = (
                trajectories.parameters(pick.expert, epoch).to(images.device)
                for epoch in (pick.start_epoch, pick.start_epoch + settings.expert_epochs)
            )
            match = match_trajectory(start, target, images, pick.batches, step_size)
            if not is_finite(match):
                raise SeqmatchError(
                    f"matching loss {match.loss} or its gradient is not finite at iteration {iteration}, expert "
                    f"{pick.expert}, start epoch {pick.start_epoch}, step size {step_size:.6g}; "
                    "lower lr_images, lr_step_size or initial_step_size"
                )
            matches.append(match)
        return _mean(matches)

    return step


def student_batch(initial: Subset, settings: config.Matching) -> int:
    """Images a student step."""
    return settings.synthetic_batch or len(initial.decoded()[1])


def minibatches(total: int, batch_size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """`steps` index tensors that pass over 0 … total − 1 again and again, in a new order each time."""
    batches: list[Tensor] = []
    while len(batches) < steps:
        batches += torch.randperm(total, generator=generator).split(batch_size)
    return batches[:steps]


def picks(
    seed: Seed,
    experts: int,
    settings: config.Matching,
    labels: Tensor,
    batch_size: int,
    augmentation: Sequence[str],
) -> Iterator[Pick]:
    """What one iteration matches: `settings.experts_per_step` picks, all from one generator."""
    generator = seed.generator()
    for _ in range(settings.experts_per_step):
        yield _pick(generator, experts, settings, labels, batch_size, augmentation)


def _pick(
    generator: torch.Generator,
    experts: int,
    settings: config.Matching,
    labels: Tensor,
    batch_size: int,
    augmentation: Sequence[str],
) -> Pick:
    expert = int(torch.randint(experts, (), generator=generator))
    start_epoch = int(torch.randint(settings.max_start_epoch, (), generator=generator))
    batches = []
    for index in minibatches(len(labels), batch_size, settings.synthetic_steps, generator):
        drawn = dsa.draw(augmentation, len(index), generator)
        index = index.to(labels.device, non_blocking=True)
        batches.append((_view(index, drawn), labels[index]))
    return Pick(expert, start_epoch, batches)


def _view(index: Tensor, drawn: dsa.Draw | None) -> View:
    return lambda images: dsa.apply(drawn, images[index])


def _mean(matches: Sequence[Match]) -> Match:
    """Losses and gradients averaged."""
    count = len(matches)
    return Match(
        sum(match.loss for match in matches) / count,
        torch.stack([match.image_gradient for match in matches]).sum(0) / count,
        sum(match.step_size_gradient for match in matches) / count,
    )


def _check_length(trajectories: Trajectories, settings: config.Matching) -> None:
    needed = config.epochs_needed(settings)
    if trajectories.epochs < needed:
        raise SeqmatchError(
            f"experts recorded {trajectories.epochs} epochs, but max_start_epoch {settings.max_start_epoch} with "
            f"expert_epochs {settings.expert_epochs} reaches epoch {needed}; record more, or lower either"
        )
