"""Numbers of callers, in whatever they are held, as tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqmatch.errors import SeqmatchError, in_short


def tensor_of(values: Any, named: str) -> Tensor:
    """The same numbers as a tensor, without a copy where PyTorch can do without.

    Args:
        values: a tensor, an array of any byte order and strides, or a sequence of tensors, arrays or numbers.

    Raises:
        SeqmatchError: they are no such numbers.
    """
    try:
        if isinstance(values, Sequence) and values and all(isinstance(each, Tensor) for each in values):
            values = torch.stack(list(values))
        found = values if isinstance(values, Tensor) else torch.from_numpy(_plain(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise SeqmatchError(f"{named}: expected a tensor, found {type(values).__name__} ({in_short(error)})") from None
    if found.layout != torch.strided or found.is_complex() or found.dtype == torch.bool:
        raise SeqmatchError(f"{named}: expected a dense tensor of numbers, found {found.dtype}, {found.layout}")
    return found.detach()


def _plain(values: Any) -> np.ndarray:
    """An array that PyTorch shares: in the machine's own byte order, row after row, and to be written to."""
    array = np.asarray(values)
    array = np.require(array, array.dtype.newbyteorder("="), "C")
    return array if array.flags.writeable else array.copy()
