"""2×2 average pooling that is fast on a CPU: PyTorch's own takes a quarter of a small ConvNet's training there.

Pooling P and its adjoint are linear: the derivative of each is the other, to any order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatch.runtime import budget
from seqmatch.runtime.compilation import fuses


class AveragePool(nn.Module):
    """2×2 average pool of maps (B, C, H, W); an odd last row or column is left out."""

    def forward(self, maps: Tensor) -> Tensor:
        if fuses() or maps.device.type != "cpu" or maps.numel() < budget.POOLING_NUMBERS:
            return F.avg_pool2d(maps, 2)
        return pool(maps)


def pool(maps: Tensor) -> Tensor:
    """The same by sums of rows, then of columns; differentiable to any order."""
    return _Pool.apply(maps)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(maps: Tensor) -> Tensor:
        height, width = (size - size % 2 for size in maps.shape[2:])
        rows = maps[:, :, 0:height:2] + maps[:, :, 1:height:2]  # whole rows first: vectorised
        return torch.add(rows[..., 0:width:2], rows[..., 1:width:2]).mul_(0.25)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Unpool.apply(gradient, ctx.shape)

    @staticmethod
    def vmap(info, in_dims: tuple[int], maps: Tensor) -> tuple[Tensor, int]:
        maps = maps.movedim(in_dims[0], 0)
        return _Pool.apply(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]), 0


class _Unpool(torch.autograd.Function):
    @staticmethod
    def forward(pooled: Tensor, shape: torch.Size) -> Tensor:
        height, width = (size - size % 2 for size in shape[2:])
        maps = pooled.new_empty(shape) if shape[2:] == (height, width) else pooled.new_zeros(shape)
        quarter = pooled * 0.25
        maps[:, :, 0:height:2, 0:width:2] = quarter
        maps[:, :, 0:height:2, 1:width:2] = quarter
        maps[:, :, 1:height:2] = maps[:, :, 0:height:2]
        return maps

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, torch.Size], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _Pool.apply(gradient), None

    @staticmethod
    def vmap(info, in_dims: tuple[int, None], pooled: Tensor, shape: torch.Size) -> tuple[Tensor, int]:
        pooled = pooled.movedim(in_dims[0], 0)
        count, batch = pooled.shape[:2]
        return _Unpool.apply(pooled.flatten(0, 1), (count * batch, *shape[1:])).unflatten(0, (count, batch)), 0
