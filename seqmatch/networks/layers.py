"""Decisions that every architecture shares: normalisation, and where there is still something to pool."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seqmatch.runtime.compilation import fuses

MNIST_SIZE = 28
"""Grey images of this side are padded by the first convolution, so that the maps start at 32 pixels."""


class InstanceNorm(nn.GroupNorm):
    """Group norm of one channel per group, affine: mean and variance of each map (H, W) of each image.

    Running eagerly, PyTorch's one operator is fastest. Compiled, the statistics are written out: so they fuse, and
    their derivatives with them. Either way they are of single precision at least.
    """

    def __init__(self, channels: int):
        super().__init__(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        if not fuses():
            return super().forward(maps)
        maps = maps.float() if maps.dtype == torch.bfloat16 else maps
        centred = maps - maps.mean((2, 3), keepdim=True)
        variance = centred.square().mean((2, 3), keepdim=True)
        scale = self.weight[:, None, None] * (variance + self.eps).rsqrt()
        return centred * scale + self.bias[:, None, None]


def norm_layer(norm: str) -> Callable[[int], nn.Module]:
    """Channels to a layer: instance norm (one channel per group, affine), batch norm, or nothing."""
    return {
        "instance": InstanceNorm,
        "batch": nn.BatchNorm2d,
        "none": nn.Identity,
    }[norm]


def smallest_map(norm: str) -> int:
    """Side of the smallest map that may be normalised: instance norm turns a single pixel into zero."""
    return 2 if norm == "instance" else 1


def first_padding(channels: int, size: int, kernel: int) -> int:
    """Padding of the first convolution: keeps the size, but brings 28-pixel grey images to 32."""
    same = kernel // 2
    return same + 2 if channels == 1 and size == MNIST_SIZE else same


def channels_last(tensor: Tensor) -> Tensor:
    """The same numbers in the layout that compiled convolutions are fastest in."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def averages_batches(network: nn.Module) -> bool:
    """Whether an image's logits depend on the others of its minibatch, or on running statistics (batch norm)."""
    return any(
        isinstance(module, _BatchNorm) or getattr(module, "track_running_stats", False) for module in network.modules()
    )
