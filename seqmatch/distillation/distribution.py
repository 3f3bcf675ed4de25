"""Distribution matching (DM, Zhao & Bilen 2023), one iteration after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.step import Step, some
from seqmatch.errors import SeqmatchError
from seqmatch.matching.distribution import match_distribution
from seqmatch.matching.match import Match, is_finite
from seqmatch.seeds import Seed
from seqmatch.training.loop import Labelled, NewNetwork
from seqmatch.transforms import dsa


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
        chosen = torch.cat([some(index, settings.real_batch, generator) for index in members])
        drawn = dsa.draw(augmentation, 1, generator)
        match = match_distribution(
            new_network(seed / iteration / "network"),
            dsa.apply(drawn, images[chosen]),
            real_labels[chosen],
            synthetic,
            labels,
            lambda synthetic: dsa.apply(drawn, synthetic),
        )
        if not is_finite(match):
            raise SeqmatchError(f"matching loss {match.loss} is not finite at iteration {iteration}; lower lr_images")
        return match

    return step
