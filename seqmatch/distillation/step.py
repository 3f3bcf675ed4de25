"""One iteration's question to the synthetic images: loss and gradient. What all objectives share.

Each objective makes a `Step`; iteration i of it draws from ``seed / i``, so that a resumed run is the same run.
"""

from typing import Protocol

import torch
from torch import Tensor

from seqmatch.matching.match import Match


class Step(Protocol):
    """The match of all synthetic images (n, C, H, W), S_k last, at a step size, in one iteration."""

    def __call__(self, images: Tensor, step_size: float, iteration: int) -> Match: ...


def some(index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of them, at random."""
    return index[torch.randperm(len(index), generator=generator)[:count].to(index.device, non_blocking=True)]
