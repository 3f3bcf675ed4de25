"""What trained networks say of images: their accuracy and their losses."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatch.networks import written
from seqmatch.runtime.budget import chunk_size


def is_finite(network: nn.Module) -> bool:
    """Whether every parameter is a finite number: False once training has diverged."""
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())


@torch.inference_mode()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of normalised images (N, C, H, W) that `network` classifies as `labels`, in [0, 1].

    NaN where a logit is not a finite number: the network has failed, and classifies nothing.
    """
    found = logits(network, images)
    return float((found.argmax(1) == labels).double().mean()) if found.isfinite().all() else math.nan


@torch.inference_mode()
def classified(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which of N normalised images `network` classifies as `labels`: bool (N,), on the CPU."""
    return (logits(network, images).argmax(1) == labels).cpu()


@torch.inference_mode()
def instance_losses(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each of N normalised images: (N,), on the CPU."""
    return F.cross_entropy(logits(network, images), labels, reduction="none").cpu()


def chunks(network: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """Images (N, C, H, W) in the chunks that `network`, in evaluation mode, is fastest at."""
    return images.split(chunk_size(len(images), written(network, images[:1]), images.device))


@torch.inference_mode()
def logits(network: nn.Module, images: Tensor) -> Tensor:
    """What `network`, in evaluation mode, says of N normalised images, taken in chunks: (N, classes)."""
    return torch.cat([network(chunk) for chunk in chunks(network.eval(), images)])
