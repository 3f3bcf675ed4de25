"""How alike a network finds what two hallucinators make of the same images (HaBa, Liu et al. 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.07
"""Of the contrast between classes, as published."""


def likeness(first: Tensor, second: Tensor) -> Tensor:
    """½ (1 + cos) of the features of two views of each image, the mean over images: 1 where they point the same way.

    Args:
        first, second: (n, d).
    """
    return (1 + F.cosine_similarity(first, second)).mean() / 2


def class_contrast(first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, equation 2) of two views of each image.

    −log of the share that a view gives to others of its class, among all others, by their cosines over the
    temperature; the mean over those others, then over all views.

    Args:
        first, second: features, (n, d).
        labels: int64 (n,).
    """
    views = F.normalize(torch.cat([first, second]))
    other = ~torch.eye(len(views), dtype=torch.bool, device=views.device)
    logits = (views @ views.mT / TEMPERATURE).masked_fill(~other, -torch.inf)
    shares = logits.log_softmax(1).masked_fill(~other, 0)
    classes = labels.repeat(2)
    alike = other & (classes[:, None] == classes)
    return -((shares * alike).sum(1) / alike.sum(1)).mean()
