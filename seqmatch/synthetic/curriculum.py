"""The curriculum that distilled subsets make (Du et al. 2023, section 4).

Networks learn from S_1 first, then from S_1 ∪ S_2, and so on, each stage with the step size learned for it.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from seqmatch import config
from seqmatch.synthetic.subset import Subset
from seqmatch.training.loop import Stage


def union_curriculum(subsets: Sequence[Subset]) -> list[Stage]:
    """Stage k is the union S_1 ∪ … ∪ S_k with the step size of S_k."""
    parts = [subset.decoded() for subset in subsets]
    return [
        Stage(*(torch.cat(tensors) for tensors in zip(*parts[: k + 1], strict=True)), subset.step_size)
        for k, subset in enumerate(subsets)
    ]


def subset_curriculum(subsets: Sequence[Subset]) -> list[Stage]:
    """Stage k is S_k alone: the other reading of the paper's section 4.3."""
    return [Stage(*subset.decoded(), subset.step_size) for subset in subsets]


def make_curriculum(subsets: Sequence[Subset], settings: config.Evaluation) -> list[Stage]:
    """The stages that networks learn from, as `settings` asks: teachers, scores, evaluation and loss records alike.

    A learning rate in `settings` takes the place of the learned step sizes.
    """
    stages = {"union": union_curriculum, "subset": subset_curriculum}[settings.curriculum](subsets)
    own = settings.learning_rate is None and settings.step_sizes == "own"
    if own or not stages:
        return stages
    step_size = stages[0].step_size if settings.learning_rate is None else settings.learning_rate
    return [replace(stage, step_size=step_size) for stage in stages]
