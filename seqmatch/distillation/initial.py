"""What a subset starts from: real images, or noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqmatch.config.sections import Started
from seqmatch.distillation.coresets import Order
from seqmatch.seeds import Seed
from seqmatch.synthetic import hallucinators, memories
from seqmatch.synthetic.parameterisations import parameterisation_of
from seqmatch.synthetic.subset import Subset
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled


@dataclass(frozen=True)
class Part:
    """Which part of a synthetic set a subset is: S_k of K."""

    started: Sequence[int]
    """Real images of each class that S_1, …, S_K start from."""
    number: int
    """k, from 1."""


def initial_subset(real: Labelled, part: Part, stage: Started, order: Order, seed: Seed) -> Subset:
    """Real images to start S_k from, or noise in the place of each; those of different k are distinct.

    The choice depends on `order` alone, so that methods that share it start from the same images. Where a stored image
    holds several, it starts from as many real ones.

    Args:
        real: normalised training images and their classes.
        stage: the step size, how images are stored, and whether they are noise.
        order: the images of each class in the order in which S_1, S_2 and so on take them.
        seed: of noise, and of hallucinators.

    Raises:
        ValueError: a class has fewer images than the synthetic set starts from.
    """
    images, labels = real
    parameterisation, noisy = parameterisation_of(stage), stage.initial == "noise"
    shape, count, decoder = tuple(images.shape[1:]), part.started[part.number - 1], {}
    if stage.parameterisation == "memories" and noisy:  # there may be more sums than real images
        classes = labels.unique().repeat_interleave(count)
        about = stage.memories, stage.memory_scale, seed / "noise" / part.number
        stored, decoder = memories.noise(shape, len(classes), *about)
        return Subset(stored, classes, stage.initial_step_size, parameterisation, decoder=decoder)
    index = _chosen(labels, part, order)
    stored = parameterisation.arrange(images[index]).clone()
    mixed = len(index) // len(stored)
    if stage.parameterisation == "memories":
        stored, decoder = memories.encode(stored, stage.memories, stage.memory_scale)
    elif stage.parameterisation == "hallucinators":
        decoder = hallucinators.draw(shape, stage.hallucinators, seed / "hallucinators" / part.number)
    if noisy:
        stored = noise(stored.shape, seed / "noise" / part.number)
    return Subset(stored, labels[index[::mixed]].clone(), stage.initial_step_size, parameterisation, decoder=decoder)


def _chosen(labels: Tensor, part: Part, order: Order) -> Tensor:
    """Indices of real images, class after class."""
    first, needed, chosen = sum(part.started[: part.number - 1]), sum(part.started), []
    for label, members in by_class(labels).items():
        if len(members) < needed:
            raise ValueError(
                f"class {label} has {len(members)} training images, fewer than the {needed} that the set starts from"
            )
        chosen.append(order(members, label)[first : first + part.started[part.number - 1]])
    return torch.cat(chosen)


def noise(shape: torch.Size, seed: Seed) -> Tensor:
    """Stored images of this shape, every number of them normal: as wide as the pixels of standardised images."""
    return torch.randn(shape, generator=seed.generator())
