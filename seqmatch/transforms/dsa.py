"""Differentiable Siamese augmentation (Zhao & Bilen 2021).

In the form that trajectory matching uses, one operation is drawn for a whole batch, its parameters for each sample;
IDC's form composes several. `apply` is a pure function, affine in the images. Whoever needs the same augmentation twice
keeps what was drawn and applies it twice.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CROP_RATIO = 0.125
CUTOUT_RATIO = 0.5
SCALE_RATIO = 1.2
ROTATION_DEGREES = 15.0


@dataclass(frozen=True)
class Draw:
    """One operation for a batch."""

    operation: str
    """A key of `OPERATIONS`."""
    uniform: Tensor
    """(B, p), in [0, 1): what each sample's parameters are made from."""

    def to(self, images: Tensor) -> "Draw":
        """The same draw with the device and precision of `images`."""
        return Draw(self.operation, self.uniform.to(images, non_blocking=True))


def draw(operations: Sequence[str], batch: int, generator: torch.Generator) -> list[Draw]:
    """Draw one of `operations` for `batch` images; nothing where there are none to draw from."""
    if not operations:
        return []
    operation = operations[int(torch.randint(len(operations), (), generator=generator))]
    return [Draw(operation, torch.rand(batch, OPERATIONS[operation][1], generator=generator))]


def draw_composed(operations: Sequence[str], batch: int, generator: torch.Generator) -> list[Draw]:
    """IDC's form (Kim et al. 2022): flip, colour, one geometric operation and cutout, as far as in `operations`."""
    choices = [[name for name in group if name in operations] for group in (["flip"], ["color"], GEOMETRIC, ["cutout"])]
    return [one for choice in choices for one in draw(choice, batch, generator)]


def apply(drawn: Sequence[Draw], images: Tensor) -> Tensor:
    """Augment images (B, C, H, W) by one draw after the other; the shape stays. All share a draw for one image."""
    for one in drawn:
        images = OPERATIONS[one.operation][0](images, one.to(images).uniform.expand(len(images), -1))
    return images


def color(images: Tensor, uniform: Tensor) -> Tensor:
    """Brightness + U(−.5, .5), then saturation × U(0, 2), then contrast × U(.5, 1.5)."""
    brightness, saturation, contrast = uniform[:, :, None, None, None].unbind(1)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def crop(images: Tensor, uniform: Tensor) -> Tensor:
    """Shift by whole pixels, up to 12.5 % of each side (rounded), zeros moving in."""
    rows, columns = (_shift(u, size) for u, size in zip(uniform.unbind(1), images.shape[-2:], strict=True))
    return rows[:, None] @ images @ columns[:, None].mT


def cutout(images: Tensor, uniform: Tensor) -> Tensor:
    """Zero a square of half the side, centred anywhere, also at the edge."""
    inside = [_window(u, size) for u, size in zip(uniform.unbind(1), images.shape[-2:], strict=True)]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0)


def flip(images: Tensor, uniform: Tensor) -> Tensor:
    """Mirror left and right with probability one half."""
    return torch.where(uniform[:, :, None, None] < 0.5, images.flip(3), images)


def scale(images: Tensor, uniform: Tensor) -> Tensor:
    """Zoom each axis by its own U(1/1.2, 1.2), bilinear, zeros outside."""
    factors = uniform * (SCALE_RATIO - 1 / SCALE_RATIO) + 1 / SCALE_RATIO
    return _warp(images, torch.diag_embed(factors))


def rotate(images: Tensor, uniform: Tensor) -> Tensor:
    """Turn by U(−15°, 15°), bilinear, zeros outside."""
    angle = (uniform[:, 0] - 0.5) * (2 * math.radians(ROTATION_DEGREES))
    rows = torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)
    return _warp(images, torch.stack(rows, 1))


OPERATIONS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "color": (color, 3),
    "crop": (crop, 2),
    "cutout": (cutout, 2),
    "flip": (flip, 1),
    "scale": (scale, 2),
    "rotate": (rotate, 1),
}
"""Each operation, and how many uniform numbers it takes per sample."""

GEOMETRIC = ("crop", "scale", "rotate")
"""Operations that move pixels; a mirror image apart."""

FORMS = {"single": draw, "composed": draw_composed}
"""By the name that `augmentation_form` gives."""


def _shift(uniform: Tensor, size: int) -> Tensor:
    """(B, size, size) matrices that move row i + s to row i, s uniform among the whole shifts allowed."""
    most = int(size * CROP_RATIO + 0.5)
    shift = (uniform * (2 * most + 1)).floor() - most
    position = torch.arange(size, device=uniform.device)
    return (position[:, None] + shift[:, None, None] == position).to(uniform)


def _window(uniform: Tensor, size: int) -> Tensor:
    """(B, size) masks of a window of half the length, its centre uniform among 0 … size (−1 for an odd window)."""
    length = int(size * CUTOUT_RATIO + 0.5)
    first = (uniform * (size + 1 - length % 2)).floor() - length // 2
    position = torch.arange(size, device=uniform.device)
    return (position >= first[:, None]) & (position < first[:, None] + length)


def _warp(images: Tensor, linear: Tensor) -> Tensor:
    """Sample images at `linear` (B, 2, 2) times their own coordinates in [−1, 1]."""
    theta = F.pad(linear, (0, 1))
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
