"""Which images are of which class."""

from torch import Tensor


def by_class(labels: Tensor) -> dict[int, Tensor]:
    """Indices of the images of each class among labels (N,), in the order of the classes."""
    return {label: (labels == label).nonzero().squeeze(1) for label in labels.unique(sorted=True).cpu().tolist()}
