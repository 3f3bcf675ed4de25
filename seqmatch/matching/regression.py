"""Kernel ridge regression on synthetic images, and its loss on real ones (KIP, Nguyen et al. 2021).

With S the synthetic images and their labels Y_S (n, classes), shares of classes less 1 / classes, and T real ones, the
prediction

    Θ_TS A,  A = (Θ_SS + λ tr(Θ_SS) / n · I)⁻¹ Y_S,

has the loss ½ mean((Θ_TS A − Y_T)²) over real images and classes. Memory does not grow with the real images, and hardly
with n: the gradient goes through a few rows of Θ at a time, as Θ_SS is computed twice.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from seqmatch.errors import SeqmatchError
from seqmatch.matching.kernels import Kernel
from seqmatch.matching.match import Match, pull_back
from seqmatch.runtime.budget import NUMBER_BYTES, chunk_size

NUMBERS = 8 // NUMBER_BYTES
"""How much longer than a float32 the numbers are that kernels are computed with."""


def centred(labels: Tensor, classes: int) -> Tensor:
    """Shares of classes less their mean 1 / classes, float64 (N, classes), from such shares, or from classes (N,)."""
    shares = labels if labels.is_floating_point() else F.one_hot(labels, classes)
    return shares.double() - 1 / classes


def match_regression(
    kernel: Kernel, images: Tensor, labels: Tensor, real: Tensor, targets: Tensor, ridge: float
) -> Match:
    """The match of synthetic images, and the gradient for their labels; nothing depends on a step size.

    Args:
        images: synthetic ones (n, C, H, W) with `labels` (n, classes) as `centred` gives them.
        real: real images (N, C, H, W) with `targets` (N, classes) likewise.
        ridge: λ.

    Raises:
        SeqmatchError: synthetic images are so alike that nothing can be solved.
    """
    support = images.detach().double().requires_grad_()
    rows = _rows(kernel, support, len(real))
    weights, factor = regression(_matrix(kernel, support, support), labels, ridge)
    loss, by_image, by_weight = 0.0, torch.zeros_like(support), torch.zeros_like(weights)
    for chunk, wanted in zip(real.split(rows), targets.split(rows), strict=True):
        part = kernel(chunk.double(), support)
        error = part.detach() @ weights - wanted
        loss += float(error.square().sum()) / 2
        by_weight += part.detach().T @ error
        by_image.add_(*pull_back(part, error @ weights.T, support))
    by_label = torch.cholesky_solve(by_weight, factor)
    by_kernel = _with_ridge(-by_label @ weights.T, ridge)
    for index in torch.arange(len(support), device=support.device).split(rows):
        by_image.add_(*pull_back(kernel(support[index], support), by_kernel[index], support))
    count = targets.numel()
    return Match(loss / count, (by_image / count).to(images), 0.0, by_label / count)


@torch.no_grad()
def predictions(kernel: Kernel, images: Tensor, labels: Tensor, others: Tensor, ridge: float) -> Tensor:
    """What the regression on synthetic `images` says of `others` (N, C, H, W): float64 (N, classes).

    Args:
        images, labels, ridge: as those of `match_regression`.

    Raises:
        SeqmatchError: as `match_regression`.
    """
    support = images.double()
    weights, _ = regression(_matrix(kernel, support, support), labels, ridge)
    return _matrix(kernel, others, support) @ weights


def regression(kernel: Tensor, labels: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """A, and the Cholesky factor of what is solved.

    Args:
        kernel: Θ_SS (n, n).

    Raises:
        SeqmatchError: as `match_regression`.
    """
    factor, fault = torch.linalg.cholesky_ex(_with_ridge(kernel, ridge))
    if fault:
        raise SeqmatchError(
            f"ridge = {ridge:g}: the kernel of the {len(kernel)} synthetic images cannot be inverted, as some of them "
            "are nearly the same, or not finite; raise ridge, or lower lr_images"
        )
    return torch.cholesky_solve(labels, factor), factor


def _with_ridge(kernel: Tensor, ridge: float) -> Tensor:
    """Θ + λ tr(Θ) / n · I, which is also the adjoint of itself."""
    return kernel + ridge * kernel.trace() / len(kernel) * torch.eye(len(kernel)).to(kernel)


@torch.no_grad()
def _matrix(kernel: Kernel, images: Tensor, support: Tensor) -> Tensor:
    return torch.cat([kernel(chunk.double(), support) for chunk in images.split(_rows(kernel, support, len(images)))])


def _rows(kernel: Kernel, support: Tensor, images: int) -> int:
    """How many of so many images fit in memory at a time, with their kernels with the synthetic ones."""
    numbers = len(support) * kernel.numbers(support.shape[1:])
    return chunk_size(images, [NUMBERS * numbers], support.device)
