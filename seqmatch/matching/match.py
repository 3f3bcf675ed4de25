"""What every objective answers for synthetic images: a matching loss and its gradients."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Match:
    """The matching loss and its gradients."""

    loss: float
    image_gradient: Tensor
    """Like the images."""
    step_size_gradient: float


def is_finite(match: Match) -> bool:
    """Whether a match can be used."""
    return (
        math.isfinite(match.loss)
        and math.isfinite(match.step_size_gradient)
        and bool(match.image_gradient.isfinite().all())
    )


def pull_back(output: Tensor, cotangent: Tensor, input: Tensor) -> Tensor:
    """The gradient of ⟨output, cotangent⟩ for `input`, from which `output` was computed.

    As the gradient of a scalar: for gradients of tensors PyTorch imports sympy, and for `torch.func.vjp` its compiler,
    seconds per process.
    """
    (gradient,) = torch.autograd.grad((output * cotangent).sum(), input)
    return gradient
