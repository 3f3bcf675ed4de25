"""Where images come from: each source's reader, and the files that it needs fetched."""

from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from seqmatch import config
from seqmatch.config.catalog import IMAGENET_SUBSETS
from seqmatch.data import tiny_imagenet, torchvision_sets
from seqmatch.data.download import PublishedFile
from seqmatch.data.folders import read_imagefolder, read_imagenet_subset
from seqmatch.data.images import RawImages, resized

Reader = Callable[[config.Dataset, Path | None], RawImages]
"""A data set of the configuration, and the folder of its source's published files where it has any, to its images."""


def read(dataset: config.Dataset, folder: Path | None = None) -> RawImages:
    """The images of `dataset.source`, of `dataset.image_size`.

    Args:
        folder: where its published files lie, for a source that has any.

    Raises:
        SeqmatchError: names the file or folder at fault.
    """
    return READERS[dataset.source](dataset, folder)


def published_files(source: str) -> list[PublishedFile]:
    """The files that a downloaded source consists of."""
    return [tiny_imagenet.FILE] if source == "tiny-imagenet" else torchvision_sets.published_files(source)


def digits() -> RawImages:
    """The 1,797 handwritten digits of 8×8 grey pixels that scikit-learn ships (UCI optical recognition)."""
    bunch = load_digits()
    sixteenths = torch.from_numpy(bunch.images).unsqueeze(1)
    return RawImages(
        images=(sixteenths * (255 / 16)).round().to(torch.uint8),
        labels=torch.from_numpy(bunch.target).long(),
        class_names=tuple(str(name) for name in bunch.target_names),
    )


def _fetched(source: str) -> Reader:
    return lambda dataset, folder: resized(torchvision_sets.read_torchvision(source, folder), dataset.image_size)


READERS: dict[str, Reader] = {
    "digits": lambda dataset, folder: resized(digits(), dataset.image_size),
    "imagefolder": lambda dataset, folder: read_imagefolder(dataset),
    "tiny-imagenet": lambda dataset, folder: resized(tiny_imagenet.read_tiny_imagenet(folder), dataset.image_size),
    **{source: _fetched(source) for source in torchvision_sets.NAMES},
    **dict.fromkeys(IMAGENET_SUBSETS, lambda dataset, folder: read_imagenet_subset(dataset)),
}
"""By the name that `datasets.*.source` gives."""
