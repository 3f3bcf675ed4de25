"""Trajectory matching (Cazenavette et al. 2022, equation 2) with its exact gradient at constant memory.

A student starts at θ*_t and takes N SGD steps on synthetic batches, θ_{i+1} = θ_i − α g_i with
g_i = ∇_θ ℓ(θ_i, x_i). The matching loss is M = ‖θ_N − θ*_{t+m}‖² / ‖θ*_t − θ*_{t+m}‖².

The forward sweep keeps the θ_i alone. The backward sweep carries λ = dM/dθ_{i+1} and needs, at each step,
one graph: that of the directional derivative s_i = ⟨g_i, λ⟩, since

    dM/dx_i = −α ∂s_i/∂x_i,      dM/dα −= s_i,      λ ← λ − α ∂s_i/∂θ_i.

Memory: the graph of one chunk of one minibatch and N + 1 parameter vectors, where the unrolled graph would keep
every step's activations. The result is that of unrolled autograd up to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqmatch.matching.derivatives import Derivatives, Parameters

View = Callable[[Tensor], Tensor]
"""All synthetic images to one augmented minibatch: pure and differentiable."""


@dataclass(frozen=True)
class Match:
    """The matching loss and its gradients."""

    loss: float
    image_gradient: Tensor
    """Like the images."""
    step_size_gradient: float


def unflatten(vector: Tensor, network: nn.Module) -> list[Tensor]:
    """Views of a vector (P,) in the shapes of `network.parameters()`."""
    shapes = [parameter.shape for parameter in network.parameters()]
    pieces = vector.split([shape.numel() for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def match_trajectory(
    derivatives: Derivatives,
    start: Parameters,
    target: Parameters,
    images: Tensor,
    batches: Sequence[tuple[View, Tensor]],
    step_size: float,
) -> Match:
    """The matching loss and its exact gradients for the images and the step size.

    Args:
        derivatives: those of the student's loss ℓ.
        start: θ*_t, one tensor a parameter.
        target: θ*_{t+m}, of the same shapes.
        images: all synthetic images (n, C, H, W).
        batches: for each of the N steps, how to take its minibatch from `images`, and its labels.
        step_size: α > 0.
    """
    thetas = [start]
    for view, labels in batches:
        gradient = derivatives.gradient(thetas[-1], view(images), labels)
        thetas.append(_moved(thetas[-1], -step_size, gradient))

    distance = _moved(thetas.pop(), -1, target)
    scale = _squared_norm(_moved(start, -1, target))
    value = _squared_norm(distance) / scale
    cotangent = [(2 / scale) * d for d in distance]

    image_gradient = torch.zeros_like(images)
    step_size_gradient = images.new_zeros(())
    for view, labels in reversed(batches):
        pixels = images.detach().requires_grad_()
        batch = view(pixels)
        slope, by_theta, by_batch = derivatives.slope(thetas.pop(), batch.detach(), labels, cotangent)
        image_gradient.sub_(torch.autograd.grad(batch, pixels, by_batch)[0], alpha=step_size)
        step_size_gradient -= slope
        cotangent = _moved(cotangent, -step_size, by_theta)
    return Match(float(value), image_gradient, float(step_size_gradient))


def _moved(start: Parameters, by: float, direction: Parameters) -> Parameters:
    """start + by · direction."""
    return [torch.add(p, q, alpha=by) for p, q in zip(start, direction, strict=True)]


def _squared_norm(tensors: Parameters) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()
