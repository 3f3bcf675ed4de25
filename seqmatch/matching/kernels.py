"""Neural tangent kernels of infinitely wide ReLU networks (Jacot et al. 2018), in closed form.

A layer averages over its inputs with weights of variance 2 / fan-in and biases of variance 0.01, then takes the ReLU.
With K the covariance of what two images give to a layer, q_x and q_z their own variances, and Θ the kernel so far, it
makes of them

    K ← 2 K + 0.01,  Θ ← K + 2 Θ;  then, by the ReLU,
    s = √(q_x q_z − K²),  κ = (π − atan2(s, K)) / 2π,  K ← s / 2π + κ K,  Θ ← κ Θ,  q ← q / 2.

A convolution averages K and Θ over a 3×3 neighbourhood first, with zeros outside the image. The last layer is linear,
and takes all that is left side by side. Three networks:

- `fully-connected`: K is one number for two images;
- `convolutional`: one for each pixel, the same in both images;
- `pooled`: 2×2 average pooling after each ReLU mixes pixels, so one for each pair of pixels: at 32×32 a million.

Everything is in float64: where images nearly coincide, derivatives are large.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

WEIGHT, BIAS = 2.0, 0.01
"""Variances of a layer's weights, times their number, and of its biases."""

COINCIDENT = 1e-12
"""Below this share of q_x q_z, s² is rounding: what both images give coincides, and s is 0."""

PRODUCTS = {
    "fully-connected": "{}cij,{}cij->{}",
    "convolutional": "{}cij,{}cij->{}ij",
    "pooled": "{}cij,{}ckl->{}ijkl",
}
"""What a kernel keeps of pixels, by the name that `matching.kernel` gives: sums over channels; {} are the images of
either side, and their pairs."""

NEIGHBOURS = {"fully-connected": (), "convolutional": ((-2,), (-1,)), "pooled": ((-4, -2), (-3, -1))}
"""Dimensions along which a convolution moves, those of both images together."""


@dataclass(frozen=True)
class Kernel:
    """The kernel of a network with `depth` hidden layers, differentiable in the images."""

    name: str
    """A key of `PRODUCTS`."""
    depth: int

    def __call__(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Θ of every image (a, C, H, W) with every image (b, C, H, W), float64: (a, b)."""
        covariance, kernel = self._products(rows, columns, "a", "b", "ab"), None
        for left, right in zip(self._variances(rows), self._variances(columns), strict=True):
            covariance = WEIGHT * self._averaged(covariance) + BIAS
            kernel = covariance if kernel is None else covariance + WEIGHT * self._averaged(kernel)
            variances = self._of_left(left)[:, None], self._of_right(right)[None]
            covariance, kernel = map(self._pooled, _Relu.apply(covariance, kernel, *variances))
        ends = (len(rows), len(columns), -1)
        covariance, kernel = (self._diagonal(tensor).reshape(ends).mean(2) for tensor in (covariance, kernel))
        return WEIGHT * covariance + BIAS + WEIGHT * kernel

    def numbers(self, shape: tuple[int, int, int]) -> int:
        """Numbers that the first layer writes for two images of this shape, which are the most."""
        pixels = shape[1] * shape[2]
        return {"fully-connected": 1, "convolutional": pixels, "pooled": pixels**2}[self.name]

    def _variances(self, images: Tensor) -> Iterator[Tensor]:
        """q before each ReLU: of each image, or of each of its pixels."""
        covariance = self._products(images, images, "a", "a", "a")
        for _ in range(self.depth):
            covariance = WEIGHT * self._averaged(covariance) + BIAS
            variance = self._diagonal(covariance)
            yield variance
            after, _ = _Relu.apply(covariance, covariance, self._of_left(variance), self._of_right(variance))
            covariance = self._pooled(after)

    def _products(self, left: Tensor, right: Tensor, *letters: str) -> Tensor:
        averaged = left[0].numel() if self.name == "fully-connected" else left.shape[1]
        return torch.einsum(PRODUCTS[self.name].format(*letters), left, right) / averaged

    def _averaged(self, tensor: Tensor) -> Tensor:
        for dimensions in NEIGHBOURS[self.name]:
            tensor = _three(tensor, dimensions)
        return tensor

    def _pooled(self, tensor: Tensor) -> Tensor:
        """2×2 averages of the pixels of both images, as long as there is something to average."""
        if self.name == "pooled" and min(tensor.shape[-4:]) > 1:
            for dimension in range(tensor.dim() - 4, tensor.dim()):
                tensor = _two(tensor, dimension)
        return tensor

    def _diagonal(self, tensor: Tensor) -> Tensor:
        """What belongs to the same pixel of both images."""
        if self.name != "pooled":
            return tensor
        return tensor.flatten(-2).flatten(-3, -2).diagonal(0, -2, -1).unflatten(-1, tensor.shape[-2:])

    def _of_left(self, variance: Tensor) -> Tensor:
        """q, for every pixel of the other image."""
        return variance[..., None, None] if self.name == "pooled" else variance

    def _of_right(self, variance: Tensor) -> Tensor:
        return variance[..., None, None, :, :] if self.name == "pooled" else variance


class _Relu(Function):
    """K and Θ after the ReLU, of those before it and q_x, q_z of shapes that fit.

    With the derivative written out, in which what goes to infinity with 1 / s is left in one term, that of Θ. Where
    images coincide this term is 0: as their difference moves, Θ has a peak there.
    """

    @staticmethod
    def forward(context: Any, covariance: Tensor, kernel: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        product = left * right
        squared = product - covariance.square()
        sine = squared.masked_fill(squared <= COINCIDENT * product, 0).sqrt()
        share = 0.5 - torch.atan2(sine, covariance) / (2 * math.pi)
        context.save_for_backward(covariance, kernel, left, right, sine, share)
        return sine / (2 * math.pi) + share * covariance, share * kernel

    @staticmethod
    def backward(context: Any, by_covariance: Tensor, by_kernel: Tensor) -> tuple[Tensor, ...]:
        covariance, kernel, left, right, sine, share = context.saved_tensors
        steep = (by_kernel * kernel / (2 * math.pi * sine)).masked_fill(sine == 0, 0)
        by_logarithm = by_covariance * sine / (4 * math.pi) - steep * covariance / 2
        return (
            by_covariance * share + steep,
            by_kernel * share,
            (by_logarithm / left).sum_to_size(left.shape),
            (by_logarithm / right).sum_to_size(right.shape),
        )


def _three(tensor: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    """Means of three neighbours along dimensions, from the last, in which all move together; zeros beyond the ends."""
    pads = [0] * (2 * tensor.dim())
    for dimension in dimensions:
        pads[-2 * dimension - 2 : -2 * dimension] = [1, 1]
    padded, lengths = F.pad(tensor, pads), [tensor.shape[dimension] for dimension in dimensions]

    def moved(by: int) -> Tensor:
        part = padded
        for dimension, length in zip(dimensions, lengths, strict=True):
            part = part.narrow(dimension, by, length)
        return part

    return (moved(0) + moved(1) + moved(2)) / 3


def _two(tensor: Tensor, dimension: int) -> Tensor:
    """Means of two and two along a dimension; an odd one at the end is left out."""
    pairs = tensor.shape[dimension] // 2
    return tensor.narrow(dimension, 0, 2 * pairs).unflatten(dimension, (pairs, 2)).mean(dimension + 1)
