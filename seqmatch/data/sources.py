"""Where images come from: one function a source, each returning `RawImages`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor


@dataclass(frozen=True)
class RawImages:
    """Images as their source has them."""

    images: Tensor
    """uint8, (N, C, H, W)."""
    labels: Tensor
    """int64, (N,), in 0 … classes − 1."""
    class_names: tuple[str, ...]


def digits() -> RawImages:
    """The 1,797 handwritten digits of 8×8 grey pixels that scikit-learn ships (UCI optical recognition)."""
    bunch = load_digits()
    sixteenths = torch.from_numpy(bunch.images).unsqueeze(1)
    return RawImages(
        images=(sixteenths * (255 / 16)).round().to(torch.uint8),
        labels=torch.from_numpy(bunch.target).long(),
        class_names=tuple(str(name) for name in bunch.target_names),
    )


SOURCES: dict[str, Callable[[], RawImages]] = {"digits": digits}
"""By the name that `datasets.*.source` gives."""
