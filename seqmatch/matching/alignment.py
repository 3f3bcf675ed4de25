"""Alignment of features (CAFE, Wang et al. 2022): each class's mean maps in every layer, and where its images lie.

With f_l the maps of layer l, at the end the features before the last linear layer, and means over the images of a
class, the loss is

    Σ_l w_l Σ_c ‖mean_{x real, of c} f_l(A x) − mean_{s synthetic, of c} f_l(A s)‖²
        + β Σ_{x real} cross-entropy(F(A x) Mᵀ, class of x),

F the features, M (classes, d) the synthetic means of F, A the augmentation that all images share. The second part,
discrimination, wants the features of a real image to be most like the mean of its own class.

Synthetic images have a part in this through their means alone, which are sums over images. So all means are taken
first, in chunks, without a graph; then the derivatives of the loss for them go back through one chunk after the other.
The gradient is exact, and memory does not grow with the number of images.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatch.matching.match import Match
from seqmatch.networks import layer_maps


def match_alignment(
    network: nn.Module,
    real: Tensor,
    images: Tensor,
    members: Tensor,
    view: Callable[[Tensor], Tensor],
    weights: Sequence[float],
    discrimination: float,
    chunk: int,
) -> Match:
    """The match of synthetic images; nothing depends on a step size.

    Args:
        network: sees each image alone; its last linear layer is not used.
        real: augmented real images (classes, B, C, H, W).
        images: synthetic images (n, C, H, W).
        members: indices into `images` of each class, (classes, m).
        view: augments some of the synthetic ones, as the real ones were.
        weights: w, one for each layer, and at the end that of the features.
        discrimination: β.
        chunk: images at a time.
    """
    order = members.flatten()
    with torch.no_grad():
        wanted, features = class_means(network, real.flatten(0, 1), real.shape[1], chunk)
        found, _ = class_means(network, view(images[order]), members.shape[1], chunk)
    loss, slopes = _compare(wanted, features, found, weights, discrimination)
    gradient = torch.zeros_like(images)
    for part, classes, shares in _chunks(len(order), members.shape[1], chunk, images):
        leaf = images[order[part]].detach().requires_grad_()
        means, _ = _means(network, view(leaf), shares)
        along = sum((mean * slope[classes]).sum() for mean, slope in zip(means, slopes, strict=True))
        gradient[order[part]] = torch.autograd.grad(along, leaf)[0]
    return Match(loss, gradient, 0.0)


def class_means(network: nn.Module, images: Tensor, each: int, chunk: int) -> tuple[list[Tensor], Tensor]:
    """The mean maps of each class in each layer, (classes, d_l), the features last; and all images' features (n, d).

    Args:
        images: (n, C, H, W), class after class, `each` of every one.
        chunk: images at a time.
    """
    total: list[Tensor] = []
    seen = []
    for part, classes, shares in _chunks(len(images), each, chunk, images):
        means, features = _means(network, images[part], shares)
        total = total or [mean.new_zeros(len(images) // each, mean.shape[1]) for mean in means]
        for sums, mean in zip(total, means, strict=True):
            sums[classes] += mean
        seen.append(features)
    return total, torch.cat(seen)


def _means(network: nn.Module, images: Tensor, shares: Tensor) -> tuple[list[Tensor], Tensor]:
    """Parts of the means of some classes, a tensor (classes, d_l) for each layer, and the images' features."""
    maps, features = layer_maps(network, images, lambda maps: shares @ maps.flatten(1))
    return [*maps, shares @ features], features


def _chunks(count: int, each: int, size: int, like: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Parts of images that come class after class, `each` of every one: which images, which classes they are of, and
    their shares in the means of these, (classes, images)."""
    for start in range(0, count, size):
        stop = min(start + size, count)
        first, last = start // each, (stop - 1) // each
        of = torch.arange(start, stop, device=like.device) // each
        shares = (of == torch.arange(first, last + 1, device=like.device)[:, None]).to(like) / each
        yield slice(start, stop), slice(first, last + 1), shares


def _compare(
    wanted: list[Tensor], features: Tensor, found: list[Tensor], weights: Sequence[float], discrimination: float
) -> tuple[float, Sequence[Tensor]]:
    """The loss, and its derivatives for the synthetic means `found`.

    Args:
        wanted: real means.
        features: of the real images, class after class, as many of each.
    """
    found = [mean.requires_grad_() for mean in found]
    apart = [(real - mean).square().sum() for real, mean in zip(wanted, found, strict=True)]
    classes = len(found[-1])
    labels = torch.arange(classes, device=features.device).repeat_interleave(len(features) // classes)
    confused = F.cross_entropy(features @ found[-1].T, labels, reduction="sum")
    loss = sum(weight * part for weight, part in zip(weights, apart, strict=True)) + discrimination * confused
    return float(loss.detach()), torch.autograd.grad(loss, found)
