"""Soft labels from an ensemble: what trained networks say, on average, of each image."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.inference_mode()
def mean_prediction(networks: Iterable[nn.Module], images: Tensor) -> Tensor:
    """The mean of the networks' class probabilities for images (n, C, H, W): float32 (n, classes), on the CPU."""
    predictions = [network.eval()(images).softmax(1).cpu() for network in networks]
    return torch.stack(predictions).mean(0)
