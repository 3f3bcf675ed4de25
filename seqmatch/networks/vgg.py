"""VGG11 (Simonyan & Zisserman 2015) for small images: one linear head."""

from torch import nn

from seqmatch import config
from seqmatch.networks.layers import first_padding, norm_layer, smallest_map

STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Widths of the convolutions, in units of `width`; a pool follows each group."""


def vgg11(spec: config.Architecture, channels: int, size: int, classes: int) -> nn.Sequential:
    """Eight 3×3 convolutions with norm and ReLU, a 2×2 max pool after each of five groups while one is possible."""
    norm = norm_layer(spec.norm)
    layers: list[nn.Module] = []
    for stage, multiples in enumerate(STAGES):
        for multiple in multiples:
            padding = 1 if layers else first_padding(channels, size, 3)
            layers += [nn.Conv2d(channels, multiple * spec.width, 3, padding=padding)]
            layers += [norm(multiple * spec.width), nn.ReLU(inplace=True)]
            channels, size = multiple * spec.width, size + 2 * padding - 2
        if size // 2 >= (smallest_map(spec.norm) if stage + 1 < len(STAGES) else 1):
            layers.append(nn.MaxPool2d(2))
            size //= 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * size * size, classes))
