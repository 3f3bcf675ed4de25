"""Losses of real training instances while networks learn from a curriculum (Du et al. 2023, figures 1 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import even_moments
from seqmatch.training.inference import instance_losses, is_finite
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled, Position, Stage


@dataclass(frozen=True)
class LossRecord:
    """Losses of N real training instances at R moments of the training of E networks."""

    losses: Tensor
    """float32 (E, R, N)."""
    epochs: Tensor
    """int64 (R,): epochs since the start of the curriculum, 0 for the untrained network."""
    stages: Tensor
    """int64 (R,): the stage, from 1, whose training led there."""


def check_finite(network: nn.Module) -> None:
    """Refuse a network that diverged on a synthetic set.

    Raises:
        SeqmatchError: it did.
    """
    if not is_finite(network):
        raise SeqmatchError(
            "a network diverged on the synthetic set, so that what is measured says nothing; "
            "set evaluation.learning_rate, or distil again with a lower lr_step_size"
        )


def record_losses(
    curriculum: Sequence[Stage],
    real: Labelled,
    learner: Learner,
    difficulty: config.Difficulty,
    seed: Seed,
) -> LossRecord:
    """Train networks through the curriculum exactly as evaluation does, recording the loss of every real instance.

    Args:
        real: the N instances.
        difficulty: how much to record; its `networks` takes the place of `learner.settings.networks`.
        seed: network i draws from ``seed / i``.

    Raises:
        SeqmatchError: the training of a network diverged.
    """
    length = learner.settings.epochs
    moments = even_moments(length, difficulty.records)
    times = [(1, 0)] + [
        (stage + 1, stage * length + epoch) for stage in range(len(curriculum)) for epoch in sorted(moments)
    ]

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.last:
            check_finite(network)
        at_start = (position.phase, position.epoch) == (0, 0)
        return instance_losses(network, *real) if at_start or position.epoch in moments else None

    members = [learner.member(curriculum, seed / index) for index in range(difficulty.networks)]
    trained = learner.train(members, record, "record losses")
    stages, epochs = torch.tensor(times).unbind(1)
    return LossRecord(torch.stack([torch.stack(member.records) for member in trained]), epochs.clone(), stages.clone())
