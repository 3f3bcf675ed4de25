"""In which arithmetic networks train. Matching, and all that is measured, has full single precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqmatch.config import Precision


def set_full_precision() -> None:
    """Single precision in full on GPUs too: PyTorch's own default rounds the inputs of convolutions to TF32 there."""
    torch.backends.fp32_precision = "ieee"


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Convolutions and matrix products on `device` in `precision` within; parameters and losses stay float32.

    `tf32` keeps 10 of 23 bits of what they multiply, on GPUs that have it; elsewhere it changes nothing. `bfloat16`
    keeps 7, is PyTorch's autocast, and also rounds what they write.
    """
    if precision == "bfloat16":
        with torch.autocast(device.type, torch.bfloat16):
            yield
    elif precision == "tf32":
        before = torch.backends.fp32_precision
        torch.backends.fp32_precision = "tf32"
        try:
            yield
        finally:
            torch.backends.fp32_precision = before
    else:
        yield
