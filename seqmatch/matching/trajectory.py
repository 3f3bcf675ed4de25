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
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor, nn

from seqmatch.matching.derivatives import Derivatives, Loss, Parameters, even_weights

View = Callable[[Tensor], Tensor]
"""All synthetic images to one augmented minibatch: pure and differentiable."""

Minibatch = tuple[View, Tensor]
"""How a student step takes its images, and their labels."""


@dataclass(frozen=True)
class Match:
    """The matching loss and its gradients."""

    loss: float
    image_gradient: Tensor
    """Like the images."""
    step_size_gradient: float


MatchTrajectory = Callable[[Parameters, Parameters, Tensor, Sequence[Minibatch], float], Match]
"""The match of a start θ*_t and a target θ*_{t+m}, one tensor a parameter, by all synthetic images (n, C, H, W), the
student's N minibatches, and the step size α > 0."""


def unflatten(vector: Tensor, network: nn.Module) -> list[Tensor]:
    """Views of a vector (P,) in the shapes of `network.parameters()`."""
    return _pieces(vector, list(network.parameters()))


def match_unrolled(
    loss: Loss,
    start: Parameters,
    target: Parameters,
    images: Tensor,
    batches: Sequence[Minibatch],
    step_size: float,
) -> Match:
    """The match, by one graph through all steps.

    Args:
        loss: the student's.
        start, target, images, batches, step_size: as `MatchTrajectory` says.
    """
    pixels = images.detach().requires_grad_()
    alpha = images.new_tensor(step_size).requires_grad_()
    begin, goal = _flat(start), _flat(target)
    theta = begin.requires_grad_()
    for view, labels in batches:
        pieces = _pieces(theta, start)
        value = loss(pieces, view(pixels), labels, even_weights(labels, theta))
        theta = theta - alpha * _flat(torch.autograd.grad(value, pieces, create_graph=True))
    matching_loss = (theta - goal).square().sum() / (begin.detach() - goal).square().sum()
    image_gradient, step_size_gradient = torch.autograd.grad(matching_loss, [pixels, alpha])
    return Match(matching_loss.item(), image_gradient, step_size_gradient.item())


def match_adjoint(
    derivatives: Derivatives,
    stride: int,
    start: Parameters,
    target: Parameters,
    images: Tensor,
    batches: Sequence[Minibatch],
    step_size: float,
) -> Match:
    """The match, by one graph a step.

    Args:
        derivatives: those of the student's loss ℓ.
        stride: keep every `stride`-th θ_i and compute those between once more, from 1; the result is the same to
            the bit.
        start, target, images, batches, step_size: as `MatchTrajectory` says.
    """

    def step(theta: Parameters, batch: Minibatch) -> Parameters:
        view, labels = batch
        return _moved(theta, -step_size, derivatives.gradient(theta, view(images), labels))

    segments = [batches[first : first + stride] for first in range(0, len(batches), stride)]
    theta, vector = start, _flat(start)
    kept = vector.new_empty(len(segments), len(vector))  # in one piece: among the graphs' tensors they leave holes
    for segment, row in zip(segments, kept, strict=True):
        row.copy_(_flat(theta))
        theta = reduce(step, segment, theta)

    distance = _moved(theta, -1, target)
    scale = _squared_norm(_moved(start, -1, target))
    matching_loss = _squared_norm(distance) / scale
    cotangent = [(2 / scale) * d for d in distance]

    image_gradient = torch.zeros_like(images)
    step_size_gradient = images.new_zeros(())
    for segment, row in zip(reversed(segments), reversed(kept.unbind()), strict=True):
        thetas = list(accumulate(segment[:-1], step, initial=_pieces(row, start)))
        for view, labels in reversed(segment):
            pixels = images.detach().requires_grad_()
            batch = view(pixels)
            slope, by_theta, by_batch = derivatives.slope(thetas.pop(), batch.detach(), labels, cotangent)
            # By a scalar: for gradients of tensors PyTorch imports sympy, a second a process.
            (by_pixels,) = torch.autograd.grad((batch * by_batch).sum(), pixels)
            image_gradient.sub_(by_pixels, alpha=step_size)
            step_size_gradient -= slope
            cotangent = _moved(cotangent, -step_size, by_theta)
    return Match(matching_loss.item(), image_gradient, step_size_gradient.item())


def _moved(start: Parameters, by: float, direction: Parameters) -> Parameters:
    """start + by · direction."""
    return [torch.add(p, q, alpha=by) for p, q in zip(start, direction, strict=True)]


def _squared_norm(tensors: Parameters) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()


def _flat(tensors: Parameters) -> Tensor:
    """All numbers in one vector (P,)."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def _pieces(vector: Tensor, like: Parameters) -> list[Tensor]:
    """Views of a vector (P,) in the shapes of `like`."""
    shapes = [tensor.shape for tensor in like]
    pieces = vector.split([shape.numel() for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
