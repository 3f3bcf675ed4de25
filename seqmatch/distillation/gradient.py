"""Gradient matching (DC, Zhao et al. 2021; DSA, Zhao & Bilen 2021), one iteration after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.learning import learning
from seqmatch.distillation.step import Problem, Step, some_of_each
from seqmatch.matching.gradient import DIRECTIONS, match_gradient
from seqmatch.matching.match import Match
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled, NewNetwork
from seqmatch.transforms import dsa


def make_step(problem: Problem) -> Step:
    """Match as many classes at once as fit in memory."""
    together = problem.classes_at_once(len(problem.labels) // problem.dataset.classes)
    return gradient_step(
        problem.real(), problem.fresh, problem.labels, problem.matching, problem.augmentation, problem.seed, together
    )


def gradient_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    matching: config.GradientMatching,
    augmentation: Sequence[str],
    seed: Seed,
    together: int,
) -> Step:
    """Match each class's gradients (DC, Zhao et al. 2021; with augmentation DSA, Zhao & Bilen 2021).

    A fresh network every `matching.updates_per_network` iterations; between two of them it learns from all synthetic
    images for `matching.network_epochs`. So the step has to be asked from such a beginning on, one iteration after
    the other.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images.
        together: classes to a batch.
    """
    images, real_labels = real
    real_index = [*by_class(real_labels).values()]
    synthetic_batch = torch.stack([*by_class(labels).values()])
    network_of = learning(new_network, labels, matching, augmentation, seed)

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        network = network_of(synthetic, step_size, iteration)
        generator = (seed / iteration / "match").generator()
        real_batch = some_of_each(real_index, matching.real_batch, generator)
        drawn = dsa.draw(augmentation, 1, generator)
        real_images = dsa.apply(drawn, images[real_batch.flatten()]).unflatten(0, real_batch.shape)
        return match_gradient(
            network,
            real_images,
            synthetic,
            synthetic_batch,
            lambda synthetic: dsa.apply(drawn, synthetic),
            DIRECTIONS,
            together,
        )

    return step
