"""What every objective answers for synthetic images: a matching loss and its gradients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Match:
    """The matching loss and its gradients."""

    loss: float
    image_gradient: Tensor
    """Like the images."""
    step_size_gradient: float | Sequence[float]
    """Of the one step size, or of each."""
    label_gradient: Tensor | None = None
    """Like the labels, where they are shares of classes and have a part in the match."""


def is_finite(match: Match) -> bool:
    """Whether a match can be used."""
    return (
        math.isfinite(match.loss)
        and bool(np.isfinite(match.step_size_gradient).all())
        and bool(match.image_gradient.isfinite().all())
        and (match.label_gradient is None or bool(match.label_gradient.isfinite().all()))
    )


def pull_back(output: Tensor, cotangent: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of ⟨output, cotangent⟩ for `inputs`, from which `output` was computed.

    As the gradient of a scalar: for gradients of tensors PyTorch imports sympy, and for `torch.func.vjp` its compiler,
    seconds per process.
    """
    return torch.autograd.grad((output * cotangent).sum(), inputs)
