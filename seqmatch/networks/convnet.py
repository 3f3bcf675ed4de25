"""ConvNet (Gidaris & Komodakis 2018): the network that dataset distillation is measured on."""

from torch import nn

from seqmatch import config
from seqmatch.networks.layers import first_padding, norm_layer, smallest_map
from seqmatch.networks.pooling import AveragePool


def convnet(spec: config.Architecture, channels: int, size: int, classes: int) -> nn.Sequential:
    """`depth` blocks of 3×3 convolution, norm, ReLU and 2×2 average pool, then one linear layer.

    A block pools as long as there is something to pool, and as long as the next norm still can work.
    320,010 parameters at width 128, depth 3, 32×32×3, 10 classes.
    """
    norm = norm_layer(spec.norm)
    blocks: list[nn.Module] = []
    for block in range(spec.depth):
        padding = first_padding(channels, size, 3) if block == 0 else 1
        blocks += [nn.Conv2d(channels, spec.width, 3, padding=padding), norm(spec.width), nn.ReLU(inplace=True)]
        channels, size = spec.width, size + 2 * padding - 2
        if size // 2 >= (smallest_map(spec.norm) if block + 1 < spec.depth else 1):
            blocks.append(AveragePool())
            size //= 2
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(channels * size * size, classes))
