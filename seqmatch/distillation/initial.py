"""What a subset starts from: real images, or noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seqmatch.distillation.coresets import Order
from seqmatch.seeds import Seed
from seqmatch.synthetic.division import subset_sizes
from seqmatch.synthetic.parameterisations import PIXELS, Parameterisation
from seqmatch.synthetic.subset import Subset
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled


@dataclass(frozen=True)
class Part:
    """Which part of a synthetic set a subset is: S_k of K."""

    ipc: int
    """Images per class of the whole set."""
    subsets: int
    """K."""
    number: int
    """k, from 1."""


def initial_subset(
    real: Labelled,
    part: Part,
    step_size: float,
    order: Order,
    parameterisation: Parameterisation = PIXELS,
) -> Subset:
    """Real images to start S_k from; those of different k are distinct.

    The choice depends on `order` alone, so that methods that share it start from the same images. Each stored image
    starts from as many real ones as it holds.

    Args:
        real: normalised training images and their classes.
        order: the images of each class in the order in which S_1, S_2 and so on take them.

    Raises:
        ValueError: a class has fewer images than the synthetic set holds of it.
    """
    images, labels = real
    held = parameterisation.held
    sizes = [held * size for size in subset_sizes(part.ipc, part.subsets)]
    first = sum(sizes[: part.number - 1])
    chosen = []
    for label, members in by_class(labels).items():
        if len(members) < sum(sizes):
            mixed = f" × {held} mixed in each" if held > 1 else ""
            raise ValueError(f"class {label} has {len(members)} training images, fewer than ipc {part.ipc}{mixed}")
        chosen.append(order(members, label)[first : first + sizes[part.number - 1]])
    index = torch.cat(chosen)
    stored = parameterisation.encode(images[index]).clone()
    return Subset(stored, labels[index[::held]].clone(), step_size, parameterisation)


def noise(shape: torch.Size, seed: Seed) -> Tensor:
    """Stored images of this shape, every number of them normal: as wide as the pixels of standardised images."""
    return torch.randn(shape, generator=seed.generator())
