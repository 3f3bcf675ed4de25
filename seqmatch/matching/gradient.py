"""Gradient matching (Zhao et al. 2021, DC): what a network would learn from real and from synthetic images of a class.

For each class, the gradient of the mean cross-entropy on real images is compared with that on synthetic ones; the loss
sums over classes, layers and output units the distance of their directions,

    Σ_c Σ_l Σ_o (1 − cos(g_real[c, l, o], g_syn[c, l, o])),

o running over the rows of a weight (output channels or classes). Biases and norms are left out. All classes are one
batch: `torch.func.vmap` gives each class a gradient of its own.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from seqmatch.matching.trajectory import Match

SMALLEST_NORM = 1e-6
"""Of a product of norms, so that a gradient of zero has a distance of one."""


def match_gradient(
    network: nn.Module,
    real: Tensor,
    images: Tensor,
    members: Tensor,
    view: Callable[[Tensor], Tensor],
) -> Match:
    """The match of synthetic images; nothing depends on a step size.

    Args:
        network: a pure function of its parameters (no running statistics), with one output a class.
        real: augmented real images (classes, B, C, H, W).
        images: synthetic images (n, C, H, W).
        members: indices into `images` of each class, (classes, m).
        view: augments the synthetic ones, as the real ones were.
    """
    labels = torch.arange(len(members), device=images.device)
    images = images.detach().requires_grad_()
    with torch.no_grad():
        wanted = class_gradients(network, real, labels)
    seen = view(images)[members]
    loss = distance(wanted, class_gradients(network, seen, labels))
    (gradient,) = torch.autograd.grad(loss, images)
    return Match(float(loss.detach()), gradient, 0.0)


def class_gradients(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Gradients of the weights for each class on its own: images (classes, m, C, H, W), a tensor (classes, …) a weight.

    Differentiable with respect to the images.
    """
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    weights = {name: parameter for name, parameter in parameters.items() if parameter.ndim > 1}

    def loss(weights: dict[str, Tensor], images: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, parameters | weights, (images,)), label.expand(len(images)))

    return list(vmap(grad(loss), in_dims=(None, 0, 0))(weights, images, labels).values())


def distance(left: list[Tensor], right: list[Tensor]) -> Tensor:
    """Σ (1 − cosine) over classes, weights and their rows, of tensors (classes, rows, …)."""
    total = left[0].new_zeros(())
    for a, b in zip(left, right, strict=True):
        a, b = a.flatten(2), b.flatten(2)
        norms = (a.square().sum(2) * b.square().sum(2)).clamp_min(SMALLEST_NORM**2).sqrt()
        total = total + (1 - (a * b).sum(2) / norms).sum()
    return total
