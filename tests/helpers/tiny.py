"""Tiny networks and data."""

from pathlib import Path

import torch

from seqmatch import config
from seqmatch.seeds import Seed
from seqmatch.synthetic.parameterisations import Parameterisation

ROOT = Path(__file__).resolve().parents[2]

TINY = config.Architecture(family="convnet", width=4, depth=2)

FOUR = Parameterisation("multi-formation", 2)
"""Four images in each that is stored."""


def normal(*shape, name="x", dtype=torch.float32):
    """Standard normal numbers that depend on the name alone."""
    return torch.randn(*shape, generator=Seed("test", name).generator(), dtype=dtype)


def labelled(classes=3, per_class=4, shape=(1, 8, 8), name="x"):
    """Noise with a bright row in a place of its own for each class, class after class."""
    labels = torch.arange(classes).repeat_interleave(per_class)
    images = normal(len(labels), *shape, name=name)
    images[torch.arange(len(labels)), :, 1 + 2 * labels] += 3
    return images, labels
