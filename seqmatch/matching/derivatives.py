"""What matching asks of a loss: its gradient, and the gradients of its derivative along a direction.

The loss of a batch is the mean over its images, so that a batch can be taken in chunks: the results add up, memory
is that of a chunk, and a CPU's caches hold it. The chunk's derivatives come from a kernel, of which there are two:
`eager` differentiates twice backwards, one operator after the other; `compiled` differentiates forwards and then
backwards in two functions that PyTorch's compiler fuses. Both are exact; they round differently.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, jvp

from seqmatch.networks import channels_last
from seqmatch.runtime.compilation import compile_function

Parameters = Sequence[Tensor]
"""One tensor a parameter of a network."""

Loss = Callable[[Parameters, Tensor, Tensor, Tensor], Tensor]
"""Parameters, images (n, C, H, W), labels (n,) and weights (n,) to the weighted sum of the n losses, a scalar."""

Slope = tuple[Tensor, Parameters, Tensor]
"""s = ⟨∇_θ ℓ, direction⟩, a scalar; ∂s/∂θ; ∂s/∂images."""


@dataclass(frozen=True)
class Kernel:
    """The derivatives of the weighted loss of one chunk: ∇_θ ℓ, and the `Slope` along a direction."""

    gradient: Callable[[Parameters, Tensor, Tensor, Tensor], Parameters]
    slope: Callable[[Parameters, Tensor, Tensor, Tensor, Parameters], Slope]


@dataclass(frozen=True)
class Derivatives:
    """The derivatives of the mean loss of a batch, computed `chunk` images at a time."""

    kernel: Kernel
    chunk: int

    def gradient(self, theta: Parameters, images: Tensor, labels: Tensor) -> Parameters:
        """∇_θ of the mean loss of images (B, C, H, W)."""
        pieces = self._chunks(images, labels)
        return _total(self.kernel.gradient(theta, *piece) for piece in pieces)

    def slope(self, theta: Parameters, images: Tensor, labels: Tensor, direction: Parameters) -> Slope:
        """The derivative of the mean loss along `direction`, and its gradients for θ and the images."""
        pieces = self._chunks(images, labels)
        by_images = []

        def scalar_and_by_theta(piece: tuple[Tensor, Tensor, Tensor]) -> Parameters:
            value, by_theta, by_piece = self.kernel.slope(theta, *piece, direction)
            by_images.append(by_piece)
            return [value, *by_theta]

        value, *by_theta = _total(map(scalar_and_by_theta, pieces))
        return value, by_theta, torch.cat(by_images)

    def _chunks(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        split = (tensor.split(self.chunk) for tensor in (images, labels, even_weights(labels, images)))
        return zip(*split, strict=True)


def even_weights(labels: Tensor, like: Tensor) -> Tensor:
    """The weights (n,) that make a mean of n losses, of the type of `like` and where it is."""
    return like.new_full((len(labels),), 1 / len(labels))


def classification_loss(network: nn.Module) -> Loss:
    """Cross-entropy of `network` as a pure function of its parameters, in the order of `network.parameters()`."""
    names = [name for name, _ in network.named_parameters()]

    def loss(parameters: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        logits = functional_call(network, dict(zip(names, parameters, strict=True)), (images,))
        return weights @ F.cross_entropy(logits, labels, reduction="none")

    return loss


def eager(loss: Loss) -> Kernel:
    """Derivatives of a loss, twice differentiable almost everywhere, by double backward."""

    def gradient(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Parameters:
        leaves = [parameter.detach().requires_grad_() for parameter in theta]
        return torch.autograd.grad(loss(leaves, images, labels, weights), leaves)

    def slope(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor, direction: Parameters) -> Slope:
        leaves = [parameter.detach().requires_grad_() for parameter in theta]
        pixels = images.detach().requires_grad_()
        first = torch.autograd.grad(loss(leaves, pixels, labels, weights), leaves, create_graph=True)
        # By a scalar: for gradients of tensors PyTorch imports sympy, a second a process.
        value = torch.stack([(g * d).sum() for g, d in zip(first, direction, strict=True)]).sum()
        *by_theta, by_pixels = torch.autograd.grad(value, [*leaves, pixels], materialize_grads=True)
        return value.detach(), by_theta, by_pixels

    return Kernel(gradient, slope)


def compiled(loss: Loss, chunk: int, fall_back: bool) -> Kernel:
    """The same in two compiled functions; the first call of each compiles, tens of seconds.

    Compiled code is for one shape, so chunks smaller than `chunk` are filled up with images of weight zero.

    Args:
        fall_back: go on with the eager kernel where compiling fails, instead of raising.

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

        def along(theta: Parameters, images: Tensor) -> Tensor:
            return jvp(lambda moved: loss(moved, images, labels, weights), (theta,), (direction,))[1]

        (by_theta, by_images), value = grad_and_value(along, argnums=(0, 1))(theta, images)
        return value, by_theta, by_images

    instead = eager(loss) if fall_back else Kernel(None, None)
    fused = Kernel(compile_function(gradient, instead.gradient), compile_function(slope, instead.slope))

    def full_slope(theta: Parameters, images: Tensor, labels: Tensor, weights: Tensor, direction: Parameters) -> Slope:
        value, by_theta, by_images = fused.slope(list(theta), *_filled(images, labels, weights, chunk), list(direction))
        return value, by_theta, by_images[: len(images)]

    return Kernel(
        lambda theta, *piece: fused.gradient(list(theta), *_filled(*piece, chunk)),
        full_slope,
    )


def _filled(images: Tensor, labels: Tensor, weights: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """`size` images: those given, then some of them again with weight zero."""
    missing = size - len(images)
    if missing == 0:
        return images, labels, weights
    again = torch.arange(size, device=images.device) % len(images)
    return images[again], labels[again], torch.cat([weights, weights.new_zeros(missing)])


def _total(pieces: Iterator[Parameters]) -> Parameters:
    """Sums over the pieces, tensor by tensor."""
    total = list(next(pieces))
    for piece in pieces:
        total = [left + right for left, right in zip(total, piece, strict=True)]
    return total
