"""Alignment of features (CAFE, Wang et al. 2022), one iteration after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation.learning import learning
from seqmatch.distillation.step import Problem, Step, some_of_each
from seqmatch.errors import SeqmatchError
from seqmatch.matching.alignment import match_alignment
from seqmatch.matching.match import Match
from seqmatch.networks import layer_maps
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled, NewNetwork
from seqmatch.transforms import dsa

USUAL_WEIGHTS = (0.1, 1.0, 2.0)
"""Of a layer, of the last one, and of the features. Published for three layers, with the features counted twice."""


def make_step(problem: Problem) -> Step:
    """Match as many images at once as fit in memory; networks of a later subset start from teachers."""
    matching = problem.matching
    image = torch.zeros(1, *problem.dataset.shape, device=problem.device)
    return alignment_step(
        problem.real(),
        problem.new_network,
        problem.labels,
        matching,
        problem.augmentation,
        problem.seed,
        layer_weights(matching.layer_weights, problem.structure(), image),
        problem.chunk,
    )


def layer_weights(given: Sequence[float] | None, network: nn.Module, image: Tensor) -> list[float]:
    """The weight of each of the network's layers, and at the end that of its features.

    Args:
        given: those that were set, if any were.
        image: (1, C, H, W).

    Raises:
        SeqmatchError: there are not as many, or the network's layers cannot be matched.
    """
    with torch.no_grad():
        maps, _ = layer_maps(network, image)
    if given is None:
        layer, last, features = USUAL_WEIGHTS
        return [*[layer] * (len(maps) - 1), last, features]
    if len(given) != len(maps) + 1:
        raise SeqmatchError(
            f"layer_weights = {list(given)}: {len(given)} numbers; the network needs {len(maps) + 1}, one for each of "
            f"its {len(maps)} layers, which end with an activation, and at the end one for its features"
        )
    return list(given)


def alignment_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    matching: config.AlignmentMatching,
    augmentation: Sequence[str],
    seed: Seed,
    weights: Sequence[float],
    chunk: int,
) -> Step:
    """Match each class's mean maps in all layers of a network that learns from the synthetic images.

    A new network every `matching.updates_per_network` iterations; between two of them it learns from all synthetic
    images for `matching.network_epochs`. So the step has to be asked from such a beginning on, one iteration after the
    other. Real and synthetic images share one draw of DSA.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        new_network: fresh ones for a first subset; for a later one, networks trained through the subsets before it.
        labels: of all synthetic images.
        weights: one for each layer, and at the end that of the features.
        chunk: images at a time.
    """
    images, real_labels = real
    real_index = [*by_class(real_labels).values()]
    members = torch.stack([*by_class(labels).values()])
    network_of = learning(new_network, labels, matching, augmentation, seed)

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        network = network_of(synthetic, step_size, iteration)
        generator = (seed / iteration / "match").generator()
        real_batch = some_of_each(real_index, matching.real_batch, generator)
        drawn = dsa.draw(augmentation, 1, generator)
        return match_alignment(
            network,
            dsa.apply(drawn, images[real_batch.flatten()]).unflatten(0, real_batch.shape),
            synthetic,
            members,
            lambda synthetic: dsa.apply(drawn, synthetic),
            weights,
            matching.discrimination_weight,
            chunk,
        )

    return step
