"""Addressed memories (RTP, Deng & Russakovsky 2022): images are sums of a few smaller ones that all of them share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatch.seeds import Seed


def decode(coefficients: Tensor, memories: Tensor, scale: int) -> Tensor:
    """The sums of memories, enlarged bilinearly.

    Args:
        coefficients: (n, K), of each image.
        memories: (K, C, H / scale, W / scale).

    Returns:
        (n, C, H, W).
    """
    small = torch.einsum("nk,kchw->nchw", coefficients, memories)
    if scale == 1:
        return small
    return F.interpolate(small, scale_factor=scale, mode="bilinear", align_corners=False)


def encode(images: Tensor, count: int, scale: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Coefficients and memories whose sums are nearest to images, shrunk with antialiasing: a truncated decomposition
    into singular values, which both halves share.

    Args:
        images: (n, C, H, W).
        count: K. Those beyond the rank of the images are zero.
    """
    sides = [side // scale for side in images.shape[-2:]]
    small = images
    if scale > 1:
        small = F.interpolate(images, sides, mode="bilinear", align_corners=False, antialias=True)
    left, values, right = torch.linalg.svd(small.flatten(1).double(), full_matrices=False)
    kept, root = min(count, len(values)), values.sqrt()
    coefficients, memories = images.new_zeros(len(images), count), images.new_zeros(count, *small.shape[1:])
    coefficients[:, :kept] = (left * root)[:, :kept]
    memories[:kept] = (root[:, None] * right)[:kept].unflatten(1, small.shape[1:])
    return coefficients, {"memories": memories}


def noise(
    shape: tuple[int, int, int], images: int, count: int, scale: int, seed: Seed
) -> tuple[Tensor, dict[str, Tensor]]:
    """Uniform coefficients and memories, with the bounds of Glorot & Bengio (2010), as published.

    Args:
        shape: (C, H, W) of an image.
        images: n.
        count: K.
    """
    channels, height, width = shape
    small = (channels, height // scale, width // scale)
    coefficients = _uniform((images, count), seed / "coefficients")
    return coefficients, {"memories": _uniform((count, math.prod(small)), seed / "memories").unflatten(1, small)}


def _uniform(shape: tuple[int, int], seed: Seed) -> Tensor:
    bound = math.sqrt(6 / sum(shape))
    return bound * (2 * torch.rand(shape, generator=seed.generator()) - 1)
