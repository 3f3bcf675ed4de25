"""In which arithmetic networks train. Matching, and all that is measured, has full single precision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from seqmatch.config import Precision


def set_full_precision() -> None:
    """Single precision in full on GPUs too: PyTorch's own default rounds the inputs of convolutions to TF32 there."""
    _set(("ieee", "ieee"))


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Convolutions and matrix products on `device` in `precision` within; parameters and losses stay float32.

    `tf32` keeps 10 of 23 bits of what they multiply, on GPUs that have it; elsewhere it changes nothing. `bfloat16`
    is PyTorch's autocast: it keeps 7, also of the maps that they write, and on a CPU of all maps.
    """
    if precision == "bfloat16":
        # Without a cache: sharpness-aware training changes parameters between two gradients.
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            yield
    elif precision == "tf32":
        before = [setting.fp32_precision for setting in _settings()]
        _set(("tf32", "tf32"))
        try:
            yield
        finally:
            _set(before)
    else:
        yield


def _settings() -> tuple:
    """Of a GPU's matrix products and convolutions; the compiler writes them too, so that a more general one is lost."""
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv


def _set(precisions: Sequence[str]) -> None:
    for setting, precision in zip(_settings(), precisions, strict=True):
        setting.fp32_precision = precision
