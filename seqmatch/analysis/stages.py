"""What each stage adds: test accuracy after S_1, after S_1 and S_2, and so on, along a curriculum."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from seqmatch.analysis.evaluation import percent
from seqmatch.seeds import Seed
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled, Position, Stage


def stage_accuracies(
    curricula: Mapping[str, Sequence[Stage]], test: Labelled, learner: Learner, seed: Seed
) -> pd.DataFrame:
    """Train `learner.settings.networks` fresh networks through each curriculum and test each after every stage.

    With the seed of an evaluation, these are its networks: the last stage has its accuracies.

    Args:
        curricula: by name.
        seed: network i draws from ``seed / i``.

    Returns:
        One row per curriculum, network and number of stages: `curriculum`, `network`, `stages` (from 1),
        `accuracy` in percent.
    """
    settings = learner.settings
    pairs = [(name, index) for name in curricula for index in range(settings.networks)]
    members = [learner.member(curricula[name], seed / index) for name, index in pairs]

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.epoch < settings.epochs:
            return None
        return torch.tensor(percent(network, test), dtype=torch.float64)

    trained = learner.train(members, record, "stages")
    return pd.DataFrame(
        [
            {"curriculum": name, "network": index, "stages": stages, "accuracy": float(accuracy)}
            for (name, index), member in zip(pairs, trained, strict=True)
            for stages, accuracy in enumerate(member.records, start=1)
        ]
    )
