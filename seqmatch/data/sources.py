"""Where images come from: each source's reader, and the files that it needs fetched."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from seqmatch import config
from seqmatch.config.catalog import IMAGENET_SUBSETS
from seqmatch.data import tiny_imagenet, torchvision_sets
from seqmatch.data.download import PublishedFile
from seqmatch.data.folders import read_imagefolder, read_imagenet_subset
from seqmatch.data.images import RawImages, resized


def read(settings: config.Dataset, folder: Path | None = None) -> RawImages:
    """The images of `settings.source`, of `settings.image_size`.

    Args:
        folder: where its published files lie, for a source that has any.

    Raises:
        SeqmatchError: names the file or folder at fault.
    """
    if settings.source == "imagefolder":
        return read_imagefolder(settings)
    if settings.source in IMAGENET_SUBSETS:
        return read_imagenet_subset(settings)
    if settings.source == "digits":
        raw = digits()
    elif settings.source == "tiny-imagenet":
        raw = tiny_imagenet.read_tiny_imagenet(folder)
    else:
        raw = torchvision_sets.read_torchvision(settings.source, folder)
    return resized(raw, settings.image_size)


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
