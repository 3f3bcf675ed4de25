"""What each stage adds: test accuracy after S_1, after S_1 and S_2, and so on, along a curriculum."""

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.analysis.evaluation import percent
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member, train_ensemble
from seqmatch.training.gradients import Gradients, eager_gradients
from seqmatch.training.loop import Labelled, NewNetwork, Position, Stage, make_phases


def stage_accuracies(
    curricula: Mapping[str, Sequence[Stage]],
    test: Labelled,
    new_network: NewNetwork,
    settings: config.Evaluation,
    augmentation: Sequence[str],
    seed: Seed,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Train `settings.networks` fresh networks through each curriculum and test each after every stage.

    With the seed of an evaluation, these are its networks: the last stage has its accuracies.

    Args:
        curricula: by name.

    Returns:
        One row a curriculum, network and number of stages: `curriculum`, `network`, `stages` (from 1),
        `accuracy` in percent.
    """
    chosen = [(name, index) for name in curricula for index in range(settings.networks)]
    members = [
        Member(partial(new_network, seed / index / "initial"), make_phases(curricula[name], settings, seed / index))
        for name, index in chosen
    ]

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.epoch < settings.epochs:
            return None
        return torch.tensor(percent(network, test), dtype=torch.float64)

    trained = train_ensemble(members, record, augmentation, gradients, checkpoint or NoCheckpoint(), "stages")
    return pd.DataFrame(
        [
            {"curriculum": name, "network": index, "stages": stages, "accuracy": float(accuracy)}
            for (name, index), member in zip(chosen, trained, strict=True)
            for stages, accuracy in enumerate(member.records, start=1)
        ]
    )
