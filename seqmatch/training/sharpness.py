"""Sharpness-aware training of experts: GSAM (Zhuang et al. 2022), adaptive (Kwon et al. 2021) as FTD uses it."""

import torch
from torch import Tensor, nn

from seqmatch.training.gradients import Gradient

SMALLEST_NORM = 1e-12
"""Gradients shorter than this are not stretched further."""


def sharpness_aware(gradient: Gradient, rho: float, alpha: float, adaptive: bool = False) -> Gradient:
    """The direction that GSAM descends, in place of the gradient g of the loss.

    With p the gradient at θ + ρ g/‖g‖, it is p − α g⊥, where g⊥ is the part of g orthogonal to p: down the perturbed
    loss, and against the gap between it and the loss itself. α = 0 is SAM. Costs two gradients per batch; both see the
    same augmented images.

    Args:
        rho: ρ > 0, the radius.
        alpha: α ≥ 0.
        adaptive: measure the radius in units of each parameter's own size (ASAM): p is then the gradient at
            θ + ρ θ² g/‖θ g‖, products entry by entry.
    """

    def direction(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        parameters = list(network.parameters())
        plain = gradient(network, images, labels)
        before = [parameter.detach().clone() for parameter in parameters]
        with torch.no_grad():
            scaled = _times(plain, before) if adaptive else plain
            norm = _dot(scaled, scaled).sqrt().clamp_min(SMALLEST_NORM)
            for parameter, part in zip(parameters, _times(scaled, before) if adaptive else plain, strict=True):
                parameter.add_(part * (rho / norm))
        perturbed = gradient(network, images, labels)
        with torch.no_grad():
            for parameter, start in zip(parameters, before, strict=True):
                parameter.copy_(start)
            along = _dot(plain, perturbed) / _dot(perturbed, perturbed).clamp_min(SMALLEST_NORM**2)
            return [p - alpha * (g - along * p) for g, p in zip(plain, perturbed, strict=True)]

    return direction


def _times(left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
    return [a * b for a, b in zip(left, right, strict=True)]


def _dot(left: list[Tensor], right: list[Tensor]) -> Tensor:
    return sum((a * b).sum() for a, b in zip(left, right, strict=True))
