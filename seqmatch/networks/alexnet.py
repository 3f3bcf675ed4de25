"""AlexNet (Krizhevsky et al. 2012) for small images: five convolutions, one linear head."""

from torch import nn

from seqmatch import config
from seqmatch.networks.layers import first_padding, norm_layer, smallest_map

LAYERS = ((1, 5, True), (1.5, 5, True), (2, 3, False), (1.5, 3, False), (1.5, 3, True))
"""Width in units of `width`, kernel, and whether a 2×2 max pool follows."""


def alexnet(spec: config.Architecture, channels: int, size: int, classes: int) -> nn.Sequential:
    """Convolutions with norm and ReLU, pooling while there is something to pool."""
    norm = norm_layer(spec.norm)
    layers: list[nn.Module] = []
    for index, (multiple, kernel, pool) in enumerate(LAYERS):
        width = max(1, round(multiple * spec.width))
        padding = first_padding(channels, size, kernel) if index == 0 else kernel // 2
        layers += [nn.Conv2d(channels, width, kernel, padding=padding), norm(width), nn.ReLU(inplace=True)]
        channels, size = width, size + 2 * padding - kernel + 1
        if pool and size // 2 >= (smallest_map(spec.norm) if index + 1 < len(LAYERS) else 1):
            layers.append(nn.MaxPool2d(2))
            size //= 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * size * size, classes))
