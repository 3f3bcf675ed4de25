"""Trajectory matching (Cazenavette et al. 2022, equation 2) with its exact gradient at constant memory.

A student starts at θ*_t and takes N SGD steps on synthetic batches, θ_{i+1} = θ_i − α g_i with
g_i = ∇_θ ℓ(θ_i, x_i). The matching loss is M = ‖θ_N − θ*_{t+m}‖² / ‖θ*_t − θ*_{t+m}‖².

The forward sweep keeps the θ_i alone. The backward sweep carries λ = dM/dθ_{i+1} and needs, at each step,
one graph: that of the directional derivative s_i = ⟨g_i, λ⟩, since

    dM/dx_i = −α ∂s_i/∂x_i,      dM/dα −= s_i,      λ ← λ − α ∂s_i/∂θ_i.

Memory: one step's graph and N + 1 parameter vectors, where the unrolled graph would keep every step's
activations. The result is that of unrolled autograd up to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

Loss = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]
"""Parameters, images, labels to a scalar."""

View = Callable[[Tensor], Tensor]
"""All synthetic images to one augmented minibatch: pure and differentiable."""


@dataclass(frozen=True)
class Match:
    """The matching loss and its gradients."""

    loss: float
    image_gradient: Tensor
    """Like the images."""
    step_size_gradient: float


def classification_loss(network: nn.Module) -> Loss:
    """Cross-entropy of `network` as a pure function of its parameters, in the order of `network.parameters()`."""
    names = [name for name, _ in network.named_parameters()]

    def loss(parameters: Sequence[Tensor], images: Tensor, labels: Tensor) -> Tensor:
        logits = functional_call(network, dict(zip(names, parameters, strict=True)), (images,))
        return F.cross_entropy(logits, labels)

    return loss


def unflatten(vector: Tensor, network: nn.Module) -> list[Tensor]:
    """Views of a vector (P,) in the shapes of `network.parameters()`."""
    shapes = [parameter.shape for parameter in network.parameters()]
    pieces = vector.split([shape.numel() for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def match_trajectory(
    loss: Loss,
    start: Sequence[Tensor],
    target: Sequence[Tensor],
    images: Tensor,
    batches: Sequence[tuple[View, Tensor]],
    step_size: float,
) -> Match:
    """The matching loss and its exact gradients for the images and the step size.

    Args:
        loss: ℓ, twice differentiable almost everywhere.
        start: θ*_t, one tensor a parameter.
        target: θ*_{t+m}, of the same shapes.
        images: all synthetic images (n, C, H, W).
        batches: for each of the N steps, how to take its minibatch from `images`, and its labels.
        step_size: α > 0.
    """
    thetas = [[parameter.detach() for parameter in start]]
    for view, labels in batches:
        gradient = _gradient(loss, thetas[-1], view(images.detach()), labels)
        thetas.append([theta - step_size * g for theta, g in zip(thetas[-1], gradient, strict=True)])

    distance = [theta - goal for theta, goal in zip(thetas.pop(), target, strict=True)]
    scale = _squared_norm([theta - goal for theta, goal in zip(start, target, strict=True)])
    value = _squared_norm(distance) / scale
    cotangent = [(2 / scale) * d for d in distance]

    image_gradient = torch.zeros_like(images)
    step_size_gradient = images.new_zeros(())
    for view, labels in reversed(batches):
        slope, by_theta, by_images = _directional(loss, thetas.pop(), images, view, labels, cotangent)
        image_gradient.sub_(by_images, alpha=step_size)
        step_size_gradient -= slope
        cotangent = [c - step_size * g for c, g in zip(cotangent, by_theta, strict=True)]
    return Match(float(value), image_gradient, float(step_size_gradient))


def _gradient(loss: Loss, theta: Sequence[Tensor], batch: Tensor, labels: Tensor) -> Sequence[Tensor]:
    leaves = [parameter.detach().requires_grad_() for parameter in theta]
    return torch.autograd.grad(loss(leaves, batch, labels), leaves)


def _directional(
    loss: Loss,
    theta: Sequence[Tensor],
    images: Tensor,
    view: View,
    labels: Tensor,
    direction: Sequence[Tensor],
) -> tuple[Tensor, Sequence[Tensor], Tensor]:
    """s = ⟨∇_θ ℓ(θ, view(images)), direction⟩ and its gradients for θ and for the images, by double backward."""
    leaves = [parameter.detach().requires_grad_() for parameter in theta]
    pixels = images.detach().requires_grad_()
    gradient = torch.autograd.grad(loss(leaves, view(pixels), labels), leaves, create_graph=True)
    slope = torch.stack([(g * d).sum() for g, d in zip(gradient, direction, strict=True)]).sum()
    *by_theta, by_images = torch.autograd.grad(slope, [*leaves, pixels], materialize_grads=True)
    return slope.detach(), by_theta, by_images


def _squared_norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()
