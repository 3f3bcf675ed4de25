"""Trajectory matching (Cazenavette et al. 2022, equation 2) and its exact gradient, in two ways.

A student starts at θ*_t and takes N SGD steps on synthetic batches, θ_{i+1} = θ_i − α g_i with
g_i = ∇_θ ℓ(θ_i, x_i). The matching loss is M = ‖θ_N − θ*_{t+m}‖² / ‖θ*_t − θ*_{t+m}‖².

`match_unrolled` differentiates one graph through all steps: the fewest operations, and the activations of every
step in memory. `match_adjoint` sweeps forward keeping θ_i alone, then backward carrying λ = dM/dθ_{i+1}; each
step needs one graph, that of the directional derivative s_i = ⟨g_i, λ⟩, since

    dM/dx_i = −α ∂s_i/∂x_i,      dM/dα −= s_i,      λ ← λ − α ∂s_i/∂θ_i.

Its memory is the graph of one chunk of one minibatch, and parameter vectors. Both give the same up to rounding.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor

from seqmatch.matching.derivatives import Derivatives, Student, even_weights, flat, shaped
from seqmatch.matching.match import Match, pull_back

View = Callable[[Tensor], Tensor]
"""All synthetic images to one augmented minibatch: pure and differentiable."""

Minibatch = tuple[View, Tensor]
"""How a student step takes its images, and their labels."""

MatchTrajectory = Callable[[Tensor, Tensor, Tensor, Sequence[Minibatch], float], Match]
"""The match of a start θ*_t and a target θ*_{t+m}, float vectors (P,), by all synthetic images (n, C, H, W), the
student's N minibatches, and the step size α > 0."""


def match_unrolled(
    student: Student, start: Tensor, target: Tensor, images: Tensor, batches: Sequence[Minibatch], step_size: float
) -> Match:
    """The match, by one graph through all steps.

    Args:
        start, target, images, batches, step_size: as `MatchTrajectory` says.
    """
    pixels = images.detach().requires_grad_()
    alpha = images.new_tensor(step_size).requires_grad_()
    theta = start.detach().requires_grad_()
    for view, labels in batches:
        parameters = shaped(theta, student.shapes)
        loss = student.loss(parameters, view(pixels), labels, even_weights(labels, theta))
        theta = theta - alpha * flat(torch.autograd.grad(loss, parameters, create_graph=True))
    matching_loss = (theta - target).square().sum() / (start - target).square().sum()
    image_gradient, step_size_gradient = torch.autograd.grad(matching_loss, [pixels, alpha])
    return Match(matching_loss.item(), image_gradient, step_size_gradient.item())


def match_adjoint(
    derivatives: Derivatives,
    stride: int,
    start: Tensor,
    target: Tensor,
    images: Tensor,
    batches: Sequence[Minibatch],
    step_size: float,
) -> Match:
    """The match, by one graph per step.

    Args:
        derivatives: those of the student's loss ℓ.
        stride: keep every `stride`-th θ_i and compute those between once more, from 1; the result is the same to
            the bit.
        start, target, images, batches, step_size: as `MatchTrajectory` says.
    """

    def step(theta: Tensor, batch: Minibatch) -> Tensor:
        view, labels = batch
        return theta.sub(derivatives.gradient(theta, view(images), labels), alpha=step_size)

    segments = [batches[first : first + stride] for first in range(0, len(batches), stride)]
    kept = start.new_empty(len(segments), len(start))  # one tensor: many among those of the graphs would leave holes
    theta = start
    for segment, row in zip(segments, kept, strict=True):
        row.copy_(theta)
        theta = reduce(step, segment, theta)

    scale = _squared_norm(start - target, derivatives.shapes)
    matching_loss = _squared_norm(theta - target, derivatives.shapes) / scale
    cotangent = (2 / scale) * (theta - target)

    image_gradient = torch.zeros_like(images)
    step_size_gradient = images.new_zeros(())
    for segment, row in zip(reversed(segments), reversed(kept.unbind()), strict=True):
        thetas = list(accumulate(segment[:-1], step, initial=row))
        for view, labels in reversed(segment):
            pixels = images.detach().requires_grad_()
            batch = view(pixels)
            slope, by_theta, by_batch = derivatives.slope(thetas.pop(), batch.detach(), labels, cotangent)
            image_gradient.sub_(pull_back(batch, by_batch, pixels), alpha=step_size)
            step_size_gradient -= slope
            cotangent = cotangent.sub(by_theta, alpha=step_size)
    return Match(matching_loss.item(), image_gradient, step_size_gradient.item())


def _squared_norm(vector: Tensor, shapes: Sequence[torch.Size]) -> Tensor:
    """Summed within each parameter first."""
    return torch.stack([part.square().sum() for part in shaped(vector, shapes)]).sum()
