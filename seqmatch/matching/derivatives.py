"""What matching asks of a loss: its gradient, and the gradients of its derivative along a direction.

The loss of a batch is the mean over its images, so that a batch can be taken in chunks: the results add up, memory
is that of a chunk, and a CPU's caches hold it. The chunk's derivatives come from a kernel, of which there are two:
`eager` differentiates twice backwards, one operator after the other; `compiled` differentiates forwards and then
backwards in two functions that PyTorch's compiler fuses. Both are exact; they round differently.

Where memory allows, what the gradient computed is kept for the derivative, which then is cheaper: `Derivatives.kept`.
It is as exact, and rounds differently too.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, jvp

from seqmatch.errors import in_short
from seqmatch.matching.halves import halves
from seqmatch.networks import channels_last
from seqmatch.runtime.compilation import compile_function

Parameters = Sequence[Tensor]
"""One tensor per parameter of a network."""

Loss = Callable[[Parameters, Tensor, Tensor, Tensor], Tensor]
"""Parameters, images (n, C, H, W), labels (n,) and weights (n,) to the weighted sum of the n losses, a scalar."""

Slope = tuple[Tensor, Parameters, Tensor, Tensor | None]
"""s = ⟨∇_θ ℓ, direction⟩, a scalar; ∂s/∂θ; ∂s/∂images; ∂s/∂labels, where these are shares of classes."""

Kept = Callable[[Parameters], tuple[Parameters, Tensor, Tensor | None]]
"""A direction to what a `Slope` has but for s, of a gradient that was computed before."""

Whole = tuple[Tensor, Tensor, Tensor, Tensor | None]
"""The same of a whole minibatch, with ∂s/∂θ as a vector (P,)."""


@dataclass(frozen=True)
class Student:
    """What learns from synthetic images."""

    loss: Loss
    shapes: Sequence[torch.Size]
    """Of its parameters, in the order in which a vector θ (P,) holds them."""


@dataclass(frozen=True)
class Kernel:
    """The derivatives of the weighted loss of one chunk: ∇_θ ℓ, and the `Slope` along a direction."""

    gradient: Callable[[Parameters, Tensor, Tensor, Tensor], Parameters]
    slope: Callable[[Parameters, Tensor, Tensor, Tensor, Parameters], Slope]
    kept: Callable[[Parameters, Tensor, Tensor, Tensor], tuple[Parameters, Kept]]
    """Both, the second later and with what the first computed."""


@dataclass(frozen=True)
class Derivatives:
    """The derivatives of a student's mean loss of a batch at parameters θ (P,), computed `chunk` images at a time."""

    shapes: Sequence[torch.Size]
    """As those of a `Student`."""
    kernel: Kernel
    chunk: int

    def gradient(self, theta: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """∇_θ (P,) of the mean loss of images (B, C, H, W)."""
        parameters = shaped(theta, self.shapes)
        chunks = self._chunks(images, labels)
        return reduce(torch.add, (flat(self.kernel.gradient(parameters, *chunk)) for chunk in chunks))

    def kept(self, theta: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Callable[[Tensor], Whole]]:
        """The gradient, and a function from a direction to what `slope` gives; to be called once."""
        parameters = shaped(theta, self.shapes)
        pairs = [self.kernel.kept(parameters, *chunk) for chunk in self._chunks(images, labels)]
        gradient, parts = reduce(torch.add, (flat(found) for found, _ in pairs)), [part for _, part in pairs]
        del pairs

        def slope(direction: Tensor) -> Whole:
            along, total = shaped(direction, self.shapes), torch.zeros_like(theta)
            by_images, by_labels = [], []
            while parts:  # each is let go once it is used
                by_theta, by_chunk, by_shares = parts.pop(0)(along)
                total += flat(by_theta)
                by_images.append(by_chunk)
                by_labels.append(by_shares)
            shares = torch.cat(by_labels) if labels.is_floating_point() else None
            return gradient @ direction, total, torch.cat(by_images), shares

        return gradient, slope

    def slope(self, theta: Tensor, images: Tensor, labels: Tensor, direction: Tensor) -> Whole:
        """The derivative of the mean loss along `direction` (P,), and its gradients for θ, (P,), images and labels."""
        parameters, along = shaped(theta, self.shapes), shaped(direction, self.shapes)
        by_images, by_labels = [], []

        def by_theta_and_value(chunk: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            value, by_theta, by_chunk, by_shares = self.kernel.slope(parameters, *chunk, along)
            by_images.append(by_chunk)
            by_labels.append(by_shares)
            return flat([*by_theta, value])

        total = reduce(torch.add, map(by_theta_and_value, self._chunks(images, labels)))
        shares = torch.cat(by_labels) if labels.is_floating_point() else None
        return total[-1], total[:-1], torch.cat(by_images), shares

    def _chunks(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        split = (tensor.split(self.chunk) for tensor in (images, labels, even_weights(labels, images)))
        return zip(*split, strict=True)


def even_weights(labels: Tensor, like: Tensor) -> Tensor:
    """The weights (n,) that make a mean of n losses, of the type of `like` and where it is."""
    return like.new_full((len(labels),), 1 / len(labels))


def flat(tensors: Parameters) -> Tensor:
    """All numbers in one vector (P,)."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def shaped(vector: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Views of a vector (P,)."""
    parts = vector.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def classification_loss(network: nn.Module) -> Loss:
    """Cross-entropy of `network` as a pure function of its parameters, in the order of `network.parameters()`."""
    names = [name for name, _ in network.named_parameters()]

    def loss(parameters: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        logits = functional_call(network, dict(zip(names, parameters, strict=True)), (images,))
        return weights @ F.cross_entropy(logits, labels, reduction="none")

    return loss


def classifier(network: nn.Module) -> Student:
    """A student with the structure of `network` and its cross-entropy."""
    return Student(classification_loss(network), [parameter.shape for parameter in network.parameters()])


def eager(loss: Loss) -> Kernel:
    """Derivatives of a loss, twice differentiable almost everywhere, by double backward."""

    def gradient(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Parameters:
        leaves = [parameter.detach().requires_grad_() for parameter in theta]
        return torch.autograd.grad(loss(leaves, images, labels, weights), leaves)

    def graph(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> tuple:
        """The gradient, and what it can be differentiated for."""
        leaves = [parameter.detach().requires_grad_() for parameter in theta]
        pixels, shares = images.detach().requires_grad_(), labels.detach().requires_grad_(labels.is_floating_point())
        first = torch.autograd.grad(loss(leaves, pixels, shares, weights), leaves, create_graph=True)
        return first, leaves, pixels, shares

    def slope(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor, direction: Parameters) -> Slope:
        return _second(*graph(theta, images, labels, weights), direction)

    def kept(theta: Parameters, *chunk: Tensor) -> tuple[Parameters, Kept]:
        found = graph(theta, *chunk)
        return [part.detach() for part in found[0]], lambda direction: _second(*found, direction)[1:]

    return Kernel(gradient, slope, kept)


def _second(first: Parameters, leaves: Parameters, pixels: Tensor, shares: Tensor, direction: Parameters) -> Slope:
    """The `Slope` by the graph of the gradient."""
    value = _inner(first, direction)  # a scalar, see `pull_back`
    wanted = [pixels, shares] if shares.requires_grad else [pixels]
    found = torch.autograd.grad(value, [*leaves, *wanted], materialize_grads=True)
    by_theta, (by_pixels, *by_shares) = found[: len(leaves)], found[len(leaves) :]
    return value.detach(), by_theta, by_pixels, *(by_shares or [None])


def _inner(gradient: Parameters, direction: Parameters) -> Tensor:
    return torch.stack([(g * d).sum() for g, d in zip(gradient, direction, strict=True)]).sum()


def compiled(
    loss: Loss, chunk: int, fall_back: bool, handed: Callable[[Callable], Callable] = lambda half: half
) -> Kernel:
    """The same in compiled functions; the first call of each compiles, tens of seconds.

    Compiled code is for one shape, so chunks smaller than `chunk` are filled up with images of weight zero.

    Args:
        fall_back: go on with the eager kernel where compiling fails, instead of raising.
        handed: makes of each compiled half what is called in its place, such as `recorded`.

    Raises:
        SeqmatchError: on the first call, if compiling fails and `fall_back` is False.
    """

    def gradient(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Parameters:
        theta, images = [channels_last(parameter) for parameter in theta], channels_last(images)
        return grad(loss)(theta, images, labels, weights)

    def slope(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor, direction: Parameters) -> Slope:
        # Copies, because jvp wants both to begin at equal places of their storages, and parameters may be views.
        theta, direction = ([channels_last(tensor).clone() for tensor in tensors] for tensors in (theta, direction))
        images = channels_last(images)

        def along(theta: Parameters, images: Tensor, labels: Tensor) -> Tensor:
            return jvp(lambda moved: loss(moved, images, labels, weights), (theta,), (direction,))[1]

        wanted = (0, 1, 2) if labels.is_floating_point() else (0, 1)
        (by_theta, by_images, *by_labels), value = grad_and_value(along, argnums=wanted)(theta, images, labels)
        return value, by_theta, by_images, *(by_labels or [None])

    plain = eager(loss)
    fused_gradient = compile_function(gradient, plain.gradient if fall_back else None)
    fused_slope = compile_function(slope, plain.slope if fall_back else None)

    def full_gradient(theta: Parameters, *batch: Tensor) -> Parameters:
        return fused_gradient(list(theta), *_filled(*batch, chunk))

    parts: list[Callable | None] = []

    def by_parts(theta: Parameters, batch: Sequence[Tensor]) -> Callable | None:
        if not parts:
            parts.append(_by_halves(loss, chunk, fall_back, handed, theta, batch))
        return parts[0]

    def full_slope(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor, direction: Parameters) -> Slope:
        batch = images, labels, weights
        if images.is_cuda:  # what PyTorch 2.11 made of `slope` read beyond its tensors there
            halved = by_parts(theta, batch)
            if halved is None:
                return plain.slope(theta, *batch, direction)
            first, rest = halved(theta, *batch)
            return _inner(first, direction), *rest(direction)
        value, by_theta, *by_batch = fused_slope(list(theta), *_filled(*batch, chunk), list(direction))
        return value, by_theta, *(None if by is None else by[: len(images)] for by in by_batch)

    def kept(theta: Parameters, *batch: Tensor) -> tuple[Parameters, Kept]:
        halved = by_parts(theta, batch)
        if halved is not None:
            return halved(theta, *batch)
        return full_gradient(theta, *batch), lambda direction: full_slope(theta, *batch, direction)[1:]

    return Kernel(full_gradient, full_slope, kept)


def _by_halves(
    loss: Loss, chunk: int, fall_back: bool, handed: Callable, theta: Parameters, batch: Sequence[Tensor]
) -> Callable[..., tuple[Parameters, Kept]] | None:
    """What a `Kernel` keeps, by the compiled `halves` of a loss; None where it cannot be cut."""
    try:
        pair = halves(loss, theta, *_filled(*batch, chunk))
    except Exception as error:  # of the network's own code, or of the tracer: they have no common type
        print(f"warning: student steps keep nothing, since this network cannot be traced: {in_short(error)}",
              file=sys.stderr, flush=True)  # fmt: skip
        return None
    first, second = (handed(compile_function(half, half if fall_back else None)) for half in pair)

    def kept(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> tuple[Parameters, Kept]:
        inputs = *theta, *_filled(images, labels, weights, chunk)
        computed = first(*inputs)
        gradient, between = computed[: len(theta)], computed[len(theta) :]

        def rest(direction: Parameters) -> tuple[Parameters, Tensor, Tensor | None]:
            found = second(*inputs, *between, *direction)
            by_theta, by_batch = found[: len(theta)], found[len(theta) :]
            by_images, *by_labels = [part[: len(images)] for part in by_batch]
            return by_theta, by_images, *(by_labels or [None])

        return gradient, rest

    return kept


def _filled(images: Tensor, labels: Tensor, weights: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """`size` images: those given, then some of them again with weight zero."""
    missing = size - len(images)
    if missing == 0:
        return images, labels, weights
    again = torch.arange(size, device=images.device) % len(images)
    return images[again], labels[again], torch.cat([weights, weights.new_zeros(missing)])
