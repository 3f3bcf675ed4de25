"""CutMix (Yun et al. 2019): a box of each image, and its share of the label, comes from another one."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Cut:
    """One box for a batch, and where its content comes from."""

    partners: Tensor
    """int64 (B,): the image that each one takes the box from."""
    share: float
    """Of the area that the box takes before it is cut off at the edges, uniform in [0, 1)."""
    centre: tuple[float, float]
    """Of the box, in heights and widths."""


def draw(probability: float, batch: int, generator: torch.Generator) -> Cut | None:
    """A cut for a batch of images, or with the probability that is left none."""
    chance, share, *centre = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    partners = torch.randperm(batch, generator=generator)
    return Cut(partners, share, tuple(centre)) if chance < probability else None


def apply(cut: Cut | None, images: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W), mixed, and the shares of classes in each, (B, classes).

    Args:
        labels: int64 (B,), or shares of classes (B, classes).
    """
    targets = F.one_hot(labels, classes).to(images) if labels.ndim == 1 else labels
    if cut is None:
        return images, targets
    box = torch.zeros(images.shape[-2:], dtype=torch.bool)  # on the CPU: to ask a GPU for its share is to wait for it
    box[tuple(_extent(at, cut.share, size) for at, size in zip(cut.centre, box.shape, strict=True))] = True
    taken = box.double().mean().item()
    box, partners = (tensor.to(images.device, non_blocking=True) for tensor in (box, cut.partners))
    return torch.where(box, images[partners], images), (1 - taken) * targets + taken * targets[partners]


def _extent(centre: float, share: float, size: int) -> slice:
    """Of a box of √share of the side, cut off at the edges."""
    middle, half = int(centre * size), int(share**0.5 * size) // 2
    return slice(max(middle - half, 0), min(middle + half, size))
