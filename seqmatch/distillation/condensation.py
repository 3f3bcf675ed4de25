"""Gradient matching in networks that learn from real images (IDC, Kim et al. 2022), one iteration after the other."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation.step import Step, some
from seqmatch.errors import SeqmatchError
from seqmatch.matching.gradient import Measure, absolute, match_gradient, squared
from seqmatch.matching.match import Match, is_finite
from seqmatch.seeds import Seed
from seqmatch.training.loop import Labelled, NewNetwork, Phase, Position, Stage, train
from seqmatch.transforms import dsa

LEARNER = config.Training(batch_size=64, momentum=0.9, weight_decay=5e-4, augmentation_form="composed", cutmix=0.5)
"""How the network learns from real images, as published; there without cutout, of which CutMix takes the place."""

MEASURES = {"squared": Measure(squared, (4,)), "absolute": Measure(absolute, (4,))}
"""By the name that `matching.distance` gives; of convolutions alone."""


def condensation_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
    together: int | None = None,
) -> Step:
    """Match each class's gradients in a network that passes over real images between two iterations.

    A new network every `settings.updates_per_network` iterations. So the step has to be asked from such a beginning on,
    one iteration after the other. Real and synthetic images share one draw of DSA in IDC's form.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        new_network: fresh ones for a first subset; for a later one, networks trained through the subsets before it.
        labels: of all synthetic images.
        together: classes to a batch, by default all.
    """
    images, real_labels = real
    classes = labels.unique(sorted=True)
    members = [(real_labels == label).nonzero().squeeze(1) for label in classes]
    own = [(labels == label).nonzero().squeeze(1) for label in classes]
    count = min(settings.real_batch, *map(len, members))
    taken = min(settings.synthetic_batch or len(labels), *map(len, own))
    learning = LEARNER.model_copy(update={"augmentation": [name for name in augmentation if name != "cutout"]})
    learner: list[tuple[nn.Module, Iterator[Position]]] = []

    def begin(name: Seed, step_size: float) -> tuple[nn.Module, Iterator[Position]]:
        network = new_network(name / "network")
        stage = Stage(images, real_labels, step_size)
        phase = Phase(stage, settings.updates_per_network, learning, name / "learn", images=settings.network_images)
        return network, train(network, [phase], augmentation)

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        if iteration % settings.updates_per_network == 0:
            learner[:] = [begin(seed / iteration, step_size)]
        network, course = learner[0]
        next(course)  # the network as it begins, then after each pass over real images
        generator = (seed / iteration / "match").generator()
        chosen = torch.stack([some(index, count, generator) for index in members])
        shown = torch.stack([some(index, taken, generator) for index in own])
        drawn = dsa.draw_composed(augmentation, 1, generator)
        seen = dsa.apply_composed(drawn, images[chosen.flatten()]).unflatten(0, chosen.shape)
        match = match_gradient(
            network,
            seen,
            synthetic,
            shown,
            lambda synthetic: dsa.apply_composed(drawn, synthetic),
            MEASURES[settings.distance],
            together,
        )
        if not is_finite(match):
            raise SeqmatchError(
                f"matching loss {match.loss} is not finite at iteration {iteration}; lower lr_images or "
                "initial_step_size"
            )
        return match

    return step
