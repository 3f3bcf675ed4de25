"""Soft labels from an ensemble: what trained networks say, on average, of each image."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.inference_mode()
def mean_prediction(networks: Iterable[nn.Module], images: Tensor) -> Tensor:
    """The mean of the networks' class probabilities for images (n, C, H, W): float32 (n, classes), on the CPU."""
    predictions = [network.eval()(images).softmax(1).cpu() for network in networks]
    return torch.stack(predictions).mean(0)


@torch.inference_mode()
def prediction_of_right_ones(networks: Iterable[nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """The class probabilities of the mean logits of those networks that classify an image as its label, int64 (n,).

    Of all networks, where none does (DATM, Guo et al. 2024). float32 (n, classes), on the CPU.
    """
    logits = torch.stack([network.eval()(images).cpu() for network in networks])
    right = logits.argmax(2) == labels.cpu()
    weights = (right | ~right.any(0)).to(logits.dtype)
    return ((weights.unsqueeze(2) * logits).sum(0) / weights.sum(0).unsqueeze(1)).softmax(1)
