"""Distribution matching (Zhao & Bilen 2023): mean features of each class, real against synthetic, in random networks.

With e the features that a network's last linear layer sees, the loss is

    L = Σ_c ‖μ_c − ν_c‖²,  μ_c = mean_{x real, of c} e(A x),  ν_c = mean_{s synthetic, of c} e(A s),

A the augmentation that both share. Images pass in chunks, whatever their class: the means are computed first, without a
graph; then the derivatives of the loss for ν go back through one chunk of synthetic images after the other.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatch.matching.match import Match
from seqmatch.networks import features


def match_distribution(
    network: nn.Module,
    real: Tensor,
    real_labels: Tensor,
    images: Tensor,
    labels: Tensor,
    view: Callable[[Tensor], Tensor],
    chunk: int,
) -> Match:
    """The match of synthetic images; nothing depends on a step size.

    Args:
        network: with random parameters; sees each image alone; its last linear layer is not used.
        real: real images (N, C, H, W) with labels (N,).
        images: synthetic images (n, C, H, W) with labels (n,), of the same classes.
        view: augments some of them, real or synthetic, each as all others.
        chunk: images at a time.
    """
    classes = int(real_labels.max()) + 1
    shares = _shares(labels, classes, images)
    wanted = _class_means(network, real, _shares(real_labels, classes, real), view, chunk)
    beyond = _class_means(network, images, shares, view, chunk) - wanted
    slope, gradients = 2 * beyond, []
    for part, of_classes in zip(images.split(chunk), shares.split(chunk), strict=True):
        leaf = part.detach().requires_grad_()
        along = (features(network, view(leaf)) * (of_classes @ slope)).sum()
        gradients.append(torch.autograd.grad(along, leaf)[0])
    return Match(float(beyond.square().sum()), torch.cat(gradients), 0.0)


def _shares(labels: Tensor, classes: int, images: Tensor) -> Tensor:
    """What each image counts in the mean of each class, (n, classes), in the type of the images."""
    members = F.one_hot(labels, classes).to(images)
    return members / members.sum(0).clamp_min(1)


@torch.no_grad()
def _class_means(
    network: nn.Module, images: Tensor, shares: Tensor, view: Callable[[Tensor], Tensor], chunk: int
) -> Tensor:
    """The mean features of each class, (classes, d)."""
    parts = zip(images.split(chunk), shares.split(chunk), strict=True)
    return sum(of_classes.T @ features(network, view(part)) for part, of_classes in parts)
