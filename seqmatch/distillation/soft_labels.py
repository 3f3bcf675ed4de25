"""Soft labels from an ensemble: what trained networks say, on average, of each image."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from seqmatch.training.inference import logits


@torch.inference_mode()
def mean_prediction(networks: Iterable[nn.Module], images: Tensor) -> Tensor:
    """The mean of the networks' class probabilities for images (n, C, H, W): float32 (n, classes), on the CPU."""
    predictions = [logits(network, images).softmax(1).cpu() for network in networks]
    return torch.stack(predictions).mean(0)


@torch.inference_mode()
def prediction_of_right_ones(networks: Iterable[nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """The class probabilities of the mean logits of those networks that classify an image as its label, int64 (n,).

    Of all networks, where none does (DATM, Guo et al. 2024). float32 (n, classes), on the CPU.
    """
    said = torch.stack([logits(network, images).cpu() for network in networks])
    right = said.argmax(2) == labels.cpu()
    weights = (right | ~right.any(0)).to(said.dtype)
    return ((weights.unsqueeze(2) * said).sum(0) / weights.sum(0).unsqueeze(1)).softmax(1)
