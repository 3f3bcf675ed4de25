"""Gradient matching (DC, Zhao et al. 2021; DSA, Zhao & Bilen 2021), one iteration after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation.step import Step, some
from seqmatch.errors import SeqmatchError
from seqmatch.matching.gradient import DIRECTIONS, match_gradient
from seqmatch.matching.match import Match, is_finite
from seqmatch.seeds import Seed
from seqmatch.training.loop import Labelled, NewNetwork, Phase, Stage, train_through
from seqmatch.transforms import dsa

LEARNER = config.Training(momentum=0.5)
"""How the network learns from the synthetic images, as published."""


def gradient_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
    together: int | None = None,
) -> Step:
    """Match each class's gradients (DC, Zhao et al. 2021; with augmentation DSA, Zhao & Bilen 2021).

    A fresh network every `settings.updates_per_network` iterations; between two of them it learns from all synthetic
    images for `settings.network_epochs`. So the step has to be asked from such a beginning on, one iteration after
    the other.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images.
        together: classes to a batch, by default all.
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
        chosen = torch.stack([some(index, count, generator) for index in members])
        drawn = dsa.draw(augmentation, 1, generator)
        seen = dsa.apply(drawn, images[chosen.flatten()]).unflatten(0, chosen.shape)
        match = match_gradient(
            learner[0], seen, synthetic, own, lambda synthetic: dsa.apply(drawn, synthetic), DIRECTIONS, together
        )
        if not is_finite(match):
            raise SeqmatchError(
                f"matching loss {match.loss} is not finite at iteration {iteration}; lower lr_images or "
                "initial_step_size"
            )
        return match

    return step
