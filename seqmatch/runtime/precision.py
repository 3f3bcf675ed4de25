"""In which arithmetic networks train. Matching, and all that is measured, has full single precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqmatch.config import Precision

BY_NAME = hasattr(torch.backends.cudnn, "conv")
"""Whether PyTorch calls precisions by their names; before 2.9 it is only told whether TF32 may be used."""


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
        before = _get()
        _set(("tf32", "tf32"))
        try:
            yield
        finally:
            _set(before)
    else:
        yield


def _settings() -> tuple:
    """Of a GPU's matrix products and convolutions; the compiler writes them too, so that a more general one is lost."""
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv if BY_NAME else torch.backends.cudnn


def _get() -> tuple[str, ...]:
    if BY_NAME:
        return tuple(setting.fp32_precision for setting in _settings())
    return tuple("tf32" if setting.allow_tf32 else "ieee" for setting in _settings())


def _set(precisions: tuple[str, ...]) -> None:
    for setting, precision in zip(_settings(), precisions, strict=True):
        if BY_NAME:
            setting.fp32_precision = precision
        else:
            setting.allow_tf32 = precision == "tf32"
