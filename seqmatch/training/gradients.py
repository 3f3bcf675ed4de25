"""The gradient that training descends, for one minibatch: eager or compiled, and in chunks that fit the caches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from seqmatch import config
from seqmatch.networks import averages_batches, channels_last, joinable, written
from seqmatch.runtime import compilation
from seqmatch.runtime.budget import budget_of, chunk_size, joined_networks

Gradient = Callable[[nn.Module, Tensor, Tensor], Sequence[Tensor]]
"""A network, images (B, C, H, W) and labels as in a `Stage` to the gradient of their mean cross-entropy, a tensor per
trained parameter; of g joined networks, images (B, g·C, H, W), labels (B, g, …) and the gradient of the sum of their
means."""


@dataclass(frozen=True)
class Gradients:
    """How gradients are computed. A number of images is that of a full minibatch."""

    of: Callable[[int], Gradient]
    """Images to how the gradient of so many is computed, and that of a minibatch of another size."""
    joined: Callable[[int], int] = lambda full: 1
    """Images to how many networks are trained as one, at most."""


def trained(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def loss_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> Sequence[Tensor]:
    """The gradient of the mean cross-entropy, one operator after the other; 0 of what took no part, as a layer left out
    by a draw."""
    return torch.autograd.grad(_mean_loss(network, images, labels), trained(network), materialize_grads=True)


EAGER = Gradients(lambda full: loss_gradient)
"""Minibatches as a whole, one operator after the other, and one network after the other."""


def compiled_gradient(fall_back: bool) -> Gradient:
    """The same in compiled code, for all networks of one structure; the first call for a shape compiles.

    Args:
        fall_back: go on eagerly where compiling fails, instead of raising.

    Raises:
        SeqmatchError: on the first call, if compiling fails and `fall_back` is False.
    """

    def fast_loss(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        parameters = {name: channels_last(parameter) for name, parameter in network.named_parameters()}
        return F.cross_entropy(functional_call(network, parameters, (channels_last(images),)), labels)

    loss = compilation.compile_function(fast_loss, _mean_loss if fall_back else None)

    def gradient(network: nn.Module, images: Tensor, labels: Tensor) -> Sequence[Tensor]:
        return torch.autograd.grad(loss(network, images, labels), trained(network))

    return gradient


def only_for(size: int, gradient: Gradient) -> Gradient:
    """`gradient` for that many images, eagerly for any other number: compiled code is for one shape."""

    def either(network: nn.Module, images: Tensor, labels: Tensor) -> Sequence[Tensor]:
        return (gradient if len(labels) == size else loss_gradient)(network, images, labels)

    return either


def in_chunks(size: int, gradient: Gradient) -> Gradient:
    """The mean of the gradients of chunks: the same for a network that sees each image alone (no batch norm)."""

    def mean(network: nn.Module, images: Tensor, labels: Tensor) -> Sequence[Tensor]:
        if len(labels) <= size:
            return gradient(network, images, labels)
        total = [torch.zeros_like(parameter) for parameter in trained(network)]
        for chunk, chunk_labels in zip(images.split(size), labels.split(size), strict=True):
            for part, found in zip(total, gradient(network, chunk, chunk_labels), strict=True):
                part.add_(found, alpha=len(chunk) / len(images))
        return total

    return mean


def best_gradients(
    mode: config.CompileMode,
    norm: str,
    activations: Sequence[int],
    images: int,
    device: torch.device,
    together: bool = False,
) -> Gradients:
    """Compiled where that pays, else eager; in chunks unless batch norm needs the minibatch as a whole.

    Args:
        norm: the network's.
        activations: numbers that each of its convolutions writes for one image.
        images: how many will be trained on, counted anew each epoch.
        together: whether the networks may be joined; they are where minibatches are small, and nothing is compiled.
    """
    saved = images * sum(activations) * budget_of(device).saved_per_trained_number
    compiling = compilation.pays(mode, saved, device)
    gradient = compiled_gradient(fall_back=mode == "auto") if compiling else loss_gradient

    def whole(full: int) -> Gradient:
        return only_for(full, gradient)

    def chunked(full: int) -> Gradient:
        size = chunk_size(full, activations, device)
        return in_chunks(size, only_for(size, gradient))

    def joined(full: int) -> int:
        return 1 if compiling or not together else joined_networks(full, activations, device)

    return Gradients(whole if norm == "batch" else chunked, joined)


def gradients_like(
    network: nn.Module, shape: tuple[int, int, int], mode: config.CompileMode, together: bool = True
) -> Callable[[int], Gradients]:
    """`best_gradients` of networks like this one, by how many images will be trained on.

    Args:
        shape: (C, H, W) of an image.
        together: whether those that can be joined may be.
    """
    device = next(network.parameters()).device
    norm = "batch" if averages_batches(network) else "none"
    sizes = written(network.eval(), torch.zeros(1, *shape, device=device))
    together = together and joinable(network)
    return lambda images: best_gradients(mode, norm, sizes, images, device, together)


def _mean_loss(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    logits = network(images)
    if logits.dim() == 2:
        return F.cross_entropy(logits, labels)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1)) * logits.shape[1]
