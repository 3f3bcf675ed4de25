"""Standardisation and ZCA whitening: fitted on training images, applied to all, invertible.

Both kinds offer `apply`, `invert`, `tensors` and `small_tensors`; `from_tensors` reads either back from a file. The
matrix of a whitening is large, 38 MB for images of 3×32×32 and 604 MB for 3×64×64. So it is kept once per data set; a
subset has its `Fingerprint`, a kilobyte, by which the right matrix is known.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from seqmatch.config.catalog import WHITENING_BYTES
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import FINGERPRINT_NUMBERS
from seqmatch.runtime.budget import main_memory

LEVELS = 256
MIDDLE_LEVEL = 128
CHUNK = 1024
"""Images at a time: 1024 · 128² = 2^24, the largest sum of squared levels that float32 holds exactly."""

BLOCK = 512
"""Rows of the covariance at a time."""

PROBE_LEVELS = 16

ROUNDING = 1e-4
"""Of the largest number of a fingerprint: far above what rounding does, and below what other training images do."""

SMALLEST_STD = 1 / 255
"""A channel that varies by less than one grey level is not stretched further than this."""


@dataclass(frozen=True)
class Standardization:
    """(x − mean) / std for each channel, with x in [0, 1]."""

    mean: Tensor
    """(C,)."""
    std: Tensor
    """(C,)."""

    def apply(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) to float32 of the same shape."""
        mean, std = self._on(images.device)
        scaled = torch.empty(images.shape, dtype=torch.float32, device=images.device)
        for chunk, out in zip(images.split(CHUNK), scaled.split(CHUNK), strict=True):
            torch.div(unit_interval(chunk) - mean, std, out=out)
        return scaled

    def invert(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) back to the scale on which real pixels lie in [0, 1]; not clipped."""
        mean, std = self._on(images.device)
        return images * std + mean

    def clamp(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W), kept where real ones lie: black to white."""
        mean, std = self._on(images.device)
        return images.clamp((0 - mean) / std, (1 - mean) / std)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation, as the channels of images take them."""
        return self.mean.to(device).view(-1, 1, 1), self.std.to(device).view(-1, 1, 1)

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "std": self.std}

    def small_tensors(self) -> dict[str, Tensor]:
        """What is kept with each subset: all of it."""
        return self.tensors()


@dataclass(frozen=True)
class Whitening:
    """ZCA: W (x − mean) on flattened images with x in [0, 1], W = U diag(s + r)^(−1/2) Uᵀ.

    U, s are eigenvectors and eigenvalues of the training images' covariance, r is the regularisation, so
    W is symmetric and the whitened image is the one nearest to the original.
    """

    mean: Tensor
    """(C·H·W,)."""
    matrix: Tensor
    """(C·H·W, C·H·W)."""
    regularization: float
    """r."""

    @cached_property
    def inverse(self) -> Tensor:
        """W⁻¹, in float64: (C·H·W, C·H·W)."""
        return torch.linalg.inv(self.matrix.double())

    def apply(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) to float32 of the same shape.

        Raises:
            SeqmatchError: they have not as many numbers as those that it was fitted on.
        """
        if images.shape[1:].numel() != len(self.mean):
            size = "×".join(map(str, images.shape[1:]))
            raise SeqmatchError(f"images of {size}: the whitening is of images of {len(self.mean)} numbers")
        mean, matrix = self.mean.to(images.device), self.matrix.to(images.device)
        whitened = torch.empty(images.shape, dtype=torch.float32, device=images.device)
        for chunk, out in zip(images.split(CHUNK), whitened.split(CHUNK), strict=True):
            torch.mm(unit_interval(chunk).flatten(1) - mean, matrix, out=out.view(len(chunk), -1))
        return whitened

    def invert(self, images: Tensor) -> Tensor:
        """Whitened images (N, C, H, W) back to the scale on which real pixels lie in [0, 1]; not clipped."""
        centred = images.flatten(1).double() @ self.inverse.to(images.device)
        return (centred + self.mean.double().to(images.device)).to(images.dtype).view(images.shape)

    @property
    def fingerprint(self) -> "Fingerprint":
        """What it is known by."""
        seen = self.apply(_probes(len(self.mean))).flatten()
        spread = torch.linspace(0, len(seen) - 1, FINGERPRINT_NUMBERS).long()
        return Fingerprint(self.regularization, seen[spread])

    def tensors(self) -> dict[str, Tensor]:
        return {**_number(self.regularization), "zca_mean": self.mean, "zca_matrix": self.matrix}

    def small_tensors(self) -> dict[str, Tensor]:
        """What is kept with each subset: its fingerprint."""
        return self.fingerprint.tensors()


@dataclass(frozen=True)
class Fingerprint:
    """What a whitening is known by, where its matrix is not at hand: what it makes of four fixed images.

    These are coarse, so they tell apart whitenings of other images, which differ most where natural images vary most.
    """

    regularization: float
    whitened: Tensor
    """Some of the numbers that it gives, float32, (256,)."""

    def fits(self, whitening: Whitening) -> bool:
        """Whether `whitening` is the one, up to rounding: eigenvectors differ a little from machine to machine."""
        difference = (self.whitened - whitening.fingerprint.whitened).abs().max()
        return bool(difference <= ROUNDING * self.whitened.abs().max())

    def tensors(self) -> dict[str, Tensor]:
        return {**_number(self.regularization), "zca_fingerprint": self.whitened}


Normalization = Standardization | Whitening

Given = Normalization | tuple[Sequence[float], Sequence[float]]
"""As callers give it: a pair has means and standard deviations of channels."""


def unit_interval(images: Tensor) -> Tensor:
    """uint8 images to float32 in [0, 1]; others are there already."""
    return images if images.is_floating_point() else images.float() / 255


def checked(given: Given, shape: tuple[int, int, int]) -> Normalization:
    """What was given, if it is a normalisation of images of this shape (C, H, W) with pixels in [0, 1].

    Raises:
        SeqmatchError: it is none.
    """
    if isinstance(given, Standardization):
        given = given.mean, given.std
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise SeqmatchError(f"normalization: expected a pair, means and deviations, found {len(given)}")
        return _standardization(*given, shape[0])
    if not isinstance(given, Whitening):
        raise SeqmatchError(
            "normalization: expected a pair, means and deviations, or what seqmatch.data.normalization.fit_whitening "
            f"gives; found {type(given).__name__}"
        )
    if len(given.mean) != math.prod(shape):
        size = "×".join(map(str, shape))
        raise SeqmatchError(f"images of {size}: the whitening is of images of {len(given.mean)} numbers")
    return given


def _standardization(mean: Sequence[float], std: Sequence[float], channels: int) -> Standardization:
    try:
        pair = [torch.as_tensor(values, dtype=torch.float32).clone() for values in (mean, std)]
    except (TypeError, ValueError, RuntimeError):
        pair = [torch.empty(0)] * 2
    if any(values.shape != (channels,) or not values.isfinite().all() for values in pair) or not (pair[1] > 0).all():
        raise SeqmatchError(f"normalization: expected {channels} means and {channels} standard deviations above 0")
    if max(float(values.max()) for values in pair) > 1:
        raise SeqmatchError("normalization: expected statistics of pixels in 0 to 1; divide those of 0 to 255 by 255")
    return Standardization(*pair)


def _number(regularization: float) -> dict[str, Tensor]:
    return {"zca_regularization": torch.tensor(regularization, dtype=torch.float64)}


def _probes(numbers: int) -> Tensor:
    """Four images of few levels each, the same everywhere: uint8 (4, `numbers`, 1, 1)."""
    levels = (torch.arange(4 * PROBE_LEVELS) * 101 % LEVELS).view(4, PROBE_LEVELS)
    return levels.repeat_interleave(-(-numbers // PROBE_LEVELS), dim=1)[:, :numbers, None, None].to(torch.uint8)


def identity(channels: int) -> Standardization:
    """Pixels in [0, 1] as they are."""
    return Standardization(torch.zeros(channels, dtype=torch.float32), torch.ones(channels, dtype=torch.float32))


def fit_standardization(images: Tensor, index: Tensor | None = None) -> Standardization:
    """Mean and standard deviation of each channel over all pixels of the images at `index` (by default all).

    Args:
        images: uint8, (N, C, H, W).
        index: int64, (n,).
    """
    counts = torch.zeros(images.shape[1], LEVELS, dtype=torch.int64)
    for chunk in _chunks(images, index):
        for channel, pixels in enumerate(chunk.transpose(0, 1).flatten(1)):
            counts[channel] += torch.bincount(pixels, minlength=LEVELS)
    level = torch.arange(LEVELS, dtype=torch.float64) / (LEVELS - 1)
    share = counts / counts.sum(dim=1, keepdim=True).double()
    mean = share @ level
    std = (share * (level - mean[:, None]).square()).sum(dim=1).sqrt()
    return Standardization(mean.float(), std.clamp_min(SMALLEST_STD).float())


def fit_whitening(images: Tensor, regularization: float, index: Tensor | None = None) -> Whitening:
    """ZCA of the images at `index` (by default all); the covariance divides by n − 1.

    Args:
        images: uint8, (N, C, H, W).
        regularization: r, added to the eigenvalues.
        index: int64, (n,).

    Raises:
        SeqmatchError: this machine has not the memory that it takes.
    """
    numbers = images[0].numel()
    needed, there = WHITENING_BYTES * numbers**2, main_memory()
    if needed > there:
        raise SeqmatchError(
            f"normalization = zca: whitening images of {numbers:,} numbers takes {needed / 1e9:.1f} GB of memory, and "
            f"{there / 1e9:.1f} GB can be used here; use `standardize`, a smaller image_size, or a larger machine"
        )
    mean, covariance = _moments(_chunks(images.flatten(1), index))
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    matrix = (vectors * (eigenvalues.clamp_min(0) + regularization).rsqrt()) @ vectors.T
    return Whitening(mean.float(), matrix.float(), regularization)


def _moments(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D), in float64, of chunks of uint8 pixels (≤ CHUNK, D), on the scale of [0, 1].

    Second moments about the middle grey level are whole numbers, and those of CHUNK images are below 2^24: single
    precision computes them without any rounding, at twice the speed of double.
    """
    count, first, second = 0, 0.0, None
    for chunk in chunks:
        levels, size = chunk.float() - MIDDLE_LEVEL, chunk.shape[1]
        count += len(chunk)
        second = torch.zeros(size, size, dtype=torch.float64) if second is None else second
        first = first + levels.sum(dim=0).double()
        for left in range(0, size, BLOCK):  # the blocks above the diagonal: half the work
            second[left : left + BLOCK, left:] += levels[:, left : left + BLOCK].T @ levels[:, left:]
    second = second.triu() + second.triu(1).T
    mean = first / count
    covariance = second.sub_(torch.outer(first, mean)).div_((count - 1) * 255**2)
    return (mean + MIDDLE_LEVEL) / 255, covariance


def _chunks(images: Tensor, index: Tensor | None) -> Iterable[Tensor]:
    """Images at `index`, or all, CHUNK at a time."""
    return images.split(CHUNK) if index is None else (images[part] for part in index.split(CHUNK))


def from_tensors(tensors: Mapping[str, Tensor], regularization: float = 0.1) -> Normalization | Fingerprint:
    """The normalisation whose `tensors()` are among `tensors`, or what it is known by if its `small_tensors()` are.

    Args:
        regularization: of a whitening in a file of an earlier version, which does not tell.
    """
    regularization = float(tensors.get("zca_regularization", regularization))
    if "zca_matrix" in tensors:
        return Whitening(tensors["zca_mean"], tensors["zca_matrix"], regularization)
    if "zca_fingerprint" in tensors:
        return Fingerprint(regularization, tensors["zca_fingerprint"])
    return Standardization(tensors["mean"], tensors["std"])
