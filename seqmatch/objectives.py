"""What one iteration of distillation asks of the synthetic images: loss and gradient, whatever is matched.

Each function here makes a `Step`; iteration i of it draws from ``seed / i``, so that a resumed run is the same run.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from seqmatch import augment, config
from seqmatch.errors import SeqmatchError
from seqmatch.experts import Trajectories
from seqmatch.matching.distribution import match_distribution
from seqmatch.matching.gradient import match_gradient
from seqmatch.matching.trajectory import Match, MatchTrajectory, Minibatch, View, unflatten
from seqmatch.seeds import Seed
from seqmatch.sequence import Subset
from seqmatch.training import Labelled, NewNetwork, Phase, Stage, train_through

LEARNER = config.Training(momentum=0.5)
"""How the network of gradient matching learns from the synthetic images, as published."""


class Step(Protocol):
    """The match of all synthetic images (n, C, H, W), S_k last, at a step size, in one iteration."""

    def __call__(self, images: Tensor, step_size: float, iteration: int) -> Match: ...


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
                unflatten(trajectories.parameters(pick.expert, epoch).to(images.device), network)
                for epoch in (pick.start_epoch, pick.start_epoch + settings.expert_epochs)
            )
            match = match_trajectory(start, target, images, pick.batches, step_size)
            if not _finite(match):
                raise SeqmatchError(
                    f"matching loss {match.loss} or its gradient is not finite at iteration {iteration}, expert "
                    f"{pick.expert}, start epoch {pick.start_epoch}, step size {step_size:.6g}; "
                    "lower lr_images, lr_step_size or initial_step_size"
                )
            matches.append(match)
        return _mean(matches)

    return step


def distribution_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
) -> Step:
    """Match mean features of each class in networks that were never trained (DM, Zhao & Bilen 2023).

    Each iteration has a fresh network, `settings.real_batch` real images of each class, and one draw of DSA that all
    real and synthetic images share.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images.
    """
    images, real_labels = real
    members = [(real_labels == label).nonzero().squeeze(1) for label in labels.unique(sorted=True)]

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        generator = (seed / iteration).generator()
        chosen = torch.cat([_some(index, settings.real_batch, generator) for index in members])
        drawn = augment.draw(augmentation, 1, generator)
        match = match_distribution(
            new_network(seed / iteration / "network"),
            augment.apply(drawn, images[chosen]),
            real_labels[chosen],
            synthetic,
            labels,
            lambda synthetic: augment.apply(drawn, synthetic),
        )
        if not _finite(match):
            raise SeqmatchError(f"matching loss {match.loss} is not finite at iteration {iteration}; lower lr_images")
        return match

    return step


def gradient_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
) -> Step:
    """Match each class's gradients (DC, Zhao et al. 2021; with augmentation DSA, Zhao & Bilen 2021).

    A fresh network every `settings.updates_per_network` iterations; between two of them it learns from all synthetic
    images for `settings.network_epochs`. So the step has to be asked from such a beginning on, one iteration after
    the other.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images.
    """
    images, real_labels = real
    classes = labels.unique(sorted=True)
    members = [(real_labels == label).nonzero().squeeze(1) for label in classes]
    count = min(settings.real_batch, *map(len, members))
    own = torch.stack([(labels == label).nonzero().squeeze(1) for label in classes])
    learner: list[nn.Module] = []

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        if iteration % settings.updates_per_network == 0:
            learner[:] = [new_network(seed / iteration / "network")]
        else:
            learned = Phase(Stage(synthetic, labels, step_size), settings.network_epochs, LEARNER, seed / iteration)
            train_through(learner[0], [learned], augmentation)
        generator = (seed / iteration / "match").generator()
        chosen = torch.stack([_some(index, count, generator) for index in members])
        drawn = augment.draw(augmentation, 1, generator)
        seen = augment.apply(drawn, images[chosen.flatten()]).unflatten(0, chosen.shape)
        match = match_gradient(learner[0], seen, synthetic, own, lambda synthetic: augment.apply(drawn, synthetic))
        if not _finite(match):
            raise SeqmatchError(
                f"matching loss {match.loss} is not finite at iteration {iteration}; lower lr_images or "
                "initial_step_size"
            )
        return match

    return step


def _some(index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of them, at random."""
    return index[torch.randperm(len(index), generator=generator)[:count].to(index.device)]


def student_batch(initial: Subset, settings: config.Matching) -> int:
    """Images a student step."""
    return settings.synthetic_batch or len(initial.labels)


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
        drawn = augment.draw(augmentation, len(index), generator)
        index = index.to(labels.device)
        batches.append((_view(index, drawn), labels[index]))
    return Pick(expert, start_epoch, batches)


def _view(index: Tensor, drawn: augment.Draw | None) -> View:
    return lambda images: augment.apply(drawn, images[index])


def _mean(matches: Sequence[Match]) -> Match:
    """Losses and gradients averaged."""
    count = len(matches)
    return Match(
        sum(match.loss for match in matches) / count,
        torch.stack([match.image_gradient for match in matches]).sum(0) / count,
        sum(match.step_size_gradient for match in matches) / count,
    )


def _finite(match: Match) -> bool:
    return (
        math.isfinite(match.loss)
        and math.isfinite(match.step_size_gradient)
        and bool(match.image_gradient.isfinite().all())
    )


def _check_length(trajectories: Trajectories, settings: config.Matching) -> None:
    needed = config.epochs_needed(settings)
    if trajectories.epochs < needed:
        raise SeqmatchError(
            f"experts recorded {trajectories.epochs} epochs, but max_start_epoch {settings.max_start_epoch} with "
            f"expert_epochs {settings.expert_epochs} reaches epoch {needed}; record more, or lower either"
        )
