"""Distribution matching (Zhao & Bilen 2023): mean features of each class, real against synthetic, in random networks.

With e the features that a network's last linear layer sees, the loss is

    Σ_c ‖mean_{x real, of c} e(A x) − mean_{s synthetic, of c} e(A s)‖²,

A the augmentation that both share. All classes are one batch; real images, of which no graph is needed, pass in chunks.
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
        real: augmented real images (N, C, H, W) with labels (N,).
        images: synthetic images (n, C, H, W) with labels (n,), of the same classes.
        view: augments the synthetic ones, as the real ones were.
        chunk: real images at a time.
    """
    classes = int(real_labels.max()) + 1
    with torch.no_grad():
        seen = torch.cat([features(network, part) for part in real.split(chunk)])
    wanted = _class_means(seen, real_labels, classes)
    images = images.detach().requires_grad_()
    found = _class_means(features(network, view(images)), labels, classes)
    loss = (wanted - found).square().sum()
    (gradient,) = torch.autograd.grad(loss, images)
    return Match(float(loss.detach()), gradient, 0.0)


def _class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(classes, d)."""
    members = F.one_hot(labels, classes).to(features)
    return members.T @ features / members.sum(0).clamp_min(1)[:, None]
