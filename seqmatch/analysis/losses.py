"""Losses of real training instances while networks learn from a curriculum (Du et al. 2023, figures 1 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member, train_ensemble
from seqmatch.training.gradients import Gradients, eager_gradients
from seqmatch.training.inference import instance_losses, is_finite
from seqmatch.training.loop import Labelled, NewNetwork, Position, Stage, make_phases


@dataclass(frozen=True)
class LossRecord:
    """Losses of N real training instances at R moments of the training of E networks."""

    losses: Tensor
    """float32 (E, R, N)."""
    epochs: Tensor
    """int64 (R,): epochs since the start of the curriculum, 0 for the untrained network."""
    stages: Tensor
    """int64 (R,): the stage, from 1, whose training led there."""


def record_moments(epochs: int, records: int) -> set[int]:
    """Epochs of a stage, 1 … epochs, after which losses are recorded: `records` of them at near-even intervals."""
    count = min(records, epochs)
    return {round(epochs * (i + 1) / count) for i in range(count)}


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
    new_network: NewNetwork,
    settings: config.Evaluation,
    difficulty: config.Difficulty,
    augmentation: Sequence[str],
    seed: Seed,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> LossRecord:
    """Train networks through the curriculum exactly as evaluation does, recording the loss of every real instance.

    Raises:
        SeqmatchError: the training of a network diverged.
    """
    moments = record_moments(settings.epochs, difficulty.records)
    when = [(1, 0)] + [
        (stage + 1, stage * settings.epochs + epoch) for stage in range(len(curriculum)) for epoch in sorted(moments)
    ]
    members = [
        Member(partial(new_network, seed / index / "initial"), make_phases(curriculum, settings, seed / index))
        for index in range(difficulty.networks)
    ]

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.last:
            check_finite(network)
        at_start = (position.phase, position.epoch) == (0, 0)
        return instance_losses(network, *real) if at_start or position.epoch in moments else None

    trained = train_ensemble(members, record, augmentation, gradients, checkpoint or NoCheckpoint(), "record losses")
    stages, epochs = torch.tensor(when).unbind(1)
    return LossRecord(torch.stack([torch.stack(member.records) for member in trained]), epochs.clone(), stages.clone())
