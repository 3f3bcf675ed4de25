"""Distribution matching (DM, Zhao & Bilen 2023), one iteration after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.step import Problem, Step, some
from seqmatch.matching.distribution import match_distribution
from seqmatch.matching.match import Match
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled, NewNetwork
from seqmatch.transforms import dsa


def make_step(problem: Problem) -> Step:
    """Match in fresh networks."""
    return distribution_step(
        problem.real(),
        problem.fresh,
        problem.labels,
        problem.matching,
        problem.augmentation,
        problem.seed,
        problem.chunk,
    )


def distribution_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    matching: config.DistributionMatching,
    augmentation: Sequence[str],
    seed: Seed,
    chunk: int,
) -> Step:
    """Match mean features of each class in networks that were never trained (DM, Zhao & Bilen 2023).

    Each iteration has a fresh network, `matching.real_batch` real images of each class, and one draw of DSA that all
    real and synthetic images share.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images.
        chunk: images at a time.
    """
    images, real_labels = real
    real_index = by_class(real_labels).values()

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        generator = (seed / iteration).generator()
        real_batch = torch.cat([some(index, matching.real_batch, generator) for index in real_index])
        drawn = dsa.draw(augmentation, 1, generator)
        return match_distribution(
            new_network(seed / iteration / "network"),
            images[real_batch],
            real_labels[real_batch],
            synthetic,
            labels,
            lambda seen: dsa.apply(drawn, seen),
            chunk,
        )

    return step
