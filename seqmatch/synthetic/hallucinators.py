"""Hallucinators (HaBa, Liu et al. 2022): a few small networks, each of which turns every stored image into another.

A convolution without padding, a scale and a shift of every number that it gives, and a transposed convolution back to
the size of the image. All of it is linear or a shift, so it has no place for a rectifier's kinks.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatch.config.storage import HALLUCINATOR_KERNEL
from seqmatch.seeds import Seed


def decode(images: Tensor, hallucinators: Mapping[str, Tensor]) -> Tensor:
    """What each of J hallucinators makes of each image.

    Args:
        images: (n, C, H, W).
        hallucinators: as `draw` gives them; kernels of any size.

    Returns:
        (n · J, C, H, W), those of an image one after the other.
    """
    made = [
        F.conv_transpose2d(
            one["scale"] * F.conv2d(images, one["encoder"], one["encoder_bias"]) + one["shift"],
            one["decoder"],
            one["decoder_bias"],
        )
        for one in _each(hallucinators)
    ]
    return torch.stack(made, 1).flatten(0, 1)


def draw(shape: tuple[int, int, int], count: int, seed: Seed) -> dict[str, Tensor]:
    """Hallucinators whose convolutions are drawn as PyTorch draws a layer's, and that neither scale nor shift.

    Args:
        shape: (C, H, W) of an image.
        count: J.

    Returns:
        `encoder` and `decoder`, (J, C, C, k, k), their biases, (J, C), `scale` and `shift`, (J, C, H − k + 1,
        W − k + 1).
    """
    channels, *sides = shape
    generator, bound = seed.generator(), (channels * HALLUCINATOR_KERNEL**2) ** -0.5
    maps = (count, channels, *(side - HALLUCINATOR_KERNEL + 1 for side in sides))
    sizes = {"": (count, channels, channels, HALLUCINATOR_KERNEL, HALLUCINATOR_KERNEL), "_bias": (count, channels)}
    convolutions = {
        layer + part: bound * (2 * torch.rand(size, generator=generator) - 1)
        for layer in ("encoder", "decoder")
        for part, size in sizes.items()
    }
    return convolutions | {"scale": torch.ones(maps), "shift": torch.zeros(maps)}


def _each(hallucinators: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    count = len(hallucinators["scale"])
    return [{name: tensor[j] for name, tensor in hallucinators.items()} for j in range(count)]
