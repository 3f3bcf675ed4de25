"""Gradient matching: what a network would learn from real and from synthetic images of a class.

For each class, the gradient of the mean cross-entropy on real images is compared with that on synthetic ones; the
loss sums their distances over classes c and parameters l. DC (Zhao et al. 2021) takes the weights of
convolutions and linear layers, not biases and norms, and the distance of directions, with rows o (output channels, or
classes of the last layer),

    Σ_o (1 − cos(g_real[c, l, o], g_syn[c, l, o])).

IDC (Kim et al. 2022) takes convolutions alone, and the sum of squared or of absolute differences.

Several classes are one batch: each has parameters of its own, a copy, over which `torch.func.vmap` maps the network.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from seqmatch.errors import SeqmatchError
from seqmatch.matching.match import Match

SMALLEST_NORM = 1e-6
"""Of a product of norms, so that a gradient of zero has a distance of one."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""The gradients of one parameter for each class, (classes, rows, …), on real and on synthetic images, to a scalar."""


@dataclass(frozen=True)
class Measure:
    """How gradients are compared."""

    distance: Distance
    dimensions: tuple[int, ...]
    """Of the parameters that count: 2 for linear layers, 4 for convolutions."""


def match_gradient(
    network: nn.Module,
    real: Tensor,
    images: Tensor,
    members: Tensor,
    view: Callable[[Tensor], Tensor],
    measure: Measure,
    together: int,
) -> Match:
    """The match of synthetic images; nothing depends on a step size.

    Args:
        network: a pure function of its parameters (no running statistics), with one output per class.
        real: augmented real images (classes, B, C, H, W).
        images: synthetic images (n, C, H, W).
        members: indices into `images` of each class, (classes, m).
        view: augments the synthetic ones, as the real ones were.
        together: classes per batch; fewer take less memory.
    """
    labels = torch.arange(len(members), device=images.device)
    pixels = images.detach().requires_grad_()

    def match(seen: Tensor, index: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and gradient of some classes; their graph ends here, before the next ones begin."""
        wanted = class_gradients(network, seen, classes, measure.dimensions)
        synthetic = view(pixels[index.flatten()]).unflatten(0, index.shape)
        found = class_gradients(network, synthetic, classes, measure.dimensions)
        loss = torch.stack([measure.distance(a, b) for a, b in zip(wanted, found, strict=True)]).sum()
        return loss.detach(), torch.autograd.grad(loss, pixels)[0]

    losses, gradient = [], torch.zeros_like(images)
    for group in zip(*(each.split(together) for each in (real, members, labels)), strict=True):
        loss, of_group = match(*group)
        losses.append(loss)
        gradient += of_group
    return Match(sum(map(float, losses)), gradient, 0.0)


def class_gradients(network: nn.Module, images: Tensor, labels: Tensor, dimensions: tuple[int, ...]) -> list[Tensor]:
    """Gradients for each class on its own: images (classes, m, C, H, W) to one tensor (classes, …) per parameter.

    Differentiable with respect to images that require a gradient. Not within `torch.no_grad`.

    Args:
        dimensions: of the parameters that are asked for.

    Raises:
        SeqmatchError: the network has none of these.
    """
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    own = {
        name: parameter.expand(len(labels), *parameter.shape).contiguous().requires_grad_()
        for name, parameter in parameters.items()
        if parameter.ndim in dimensions
    }

    if not own:
        kinds = " and ".join({2: "linear layers", 4: "convolutions"}[count] for count in dimensions)
        raise SeqmatchError(
            f"this method matches gradients of {kinds}, of which the network has none; take another method"
        )

    def logits(own: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(network, parameters | own, (images,))

    if len(labels) == 1:  # without a map, which costs copies: a fifth of the time in wide networks
        outputs = logits({name: parameter[0] for name, parameter in own.items()}, images[0])
    else:
        outputs = vmap(logits)(own, images).flatten(0, 1)
    count = images.shape[1]
    losses = F.cross_entropy(outputs, labels.repeat_interleave(count), reduction="sum") / count
    return list(torch.autograd.grad(losses, list(own.values()), create_graph=images.requires_grad))


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Σ (1 − cosine) over classes and rows."""
    a, b = left.flatten(2), right.flatten(2)
    norms = (a.square().sum(2) * b.square().sum(2)).clamp_min(SMALLEST_NORM**2).sqrt()
    return (1 - (a * b).sum(2) / norms).sum()


def squared(left: Tensor, right: Tensor) -> Tensor:
    """Σ (left − right)²."""
    return (left - right).square().sum()


def absolute(left: Tensor, right: Tensor) -> Tensor:
    """The sum of absolute differences."""
    return (left - right).abs().sum()


DIRECTIONS = Measure(cosine, (2, 4))
"""DC's and DSA's."""
