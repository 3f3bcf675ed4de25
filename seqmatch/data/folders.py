"""Sources that lie in folders of image files: the user's own, and subsets of ImageNet-1k."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from seqmatch import config
from seqmatch.config.catalog import IMAGENET_SUBSETS, SOURCES
from seqmatch.data.images import RawImages, Shape, read_images
from seqmatch.data.listing import Listing
from seqmatch.errors import SeqmatchError

IMAGENET_CLASSES = 1000


def read_imagefolder(settings: config.Dataset) -> RawImages:
    """Classes as folders: `train/<class>/…` and `test/<class>/…`, or `<class>/…` of which a part is held out.

    Raises:
        SeqmatchError: names the folder or file at fault.
        OSError: a folder or file may not be read.
    """
    listing = Listing(Path(settings.path))
    return _read(listing, listing.classes, listing.classes, Shape(settings.channels, settings.image_size, settings.fit))


def read_imagenet_subset(settings: config.Dataset) -> RawImages:
    """Ten classes of ImageNet-1k, from its `train/<wnid>/…` and `val/<wnid>/…`; the latter is the test split.

    Raises:
        SeqmatchError: names the folder or file at fault.
        OSError: a folder or file may not be read.
    """
    listing = Listing(Path(settings.path), ("train", "val"))
    found = len(listing.classes)
    if found != IMAGENET_CLASSES:
        raise SeqmatchError(
            f"{listing.splits[0]}: ImageNet-1k has {IMAGENET_CLASSES} class folders, found {found}; the classes of "
            f"{settings.source} are counted among all of them (for ten folders alone, use `imagefolder`)"
        )
    from torchvision.models import ResNet18_Weights  # seconds to import

    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    chosen = IMAGENET_SUBSETS[settings.source]
    channels, side, _ = SOURCES[settings.source].shape
    shape = Shape(channels, settings.image_size or side, settings.fit)
    return _read(listing, [listing.classes[index] for index in chosen], [names[index] for index in chosen], shape)


def _read(listing: Listing, folders: Sequence[str], names: Sequence[str], shape: Shape) -> RawImages:
    """Images of `folders` in one split, or in training and test split."""
    paths, labels, test = [], [], []
    for split in listing.splits:
        for label, folder in enumerate(folders):
            files = listing.images(split, folder)
            paths += files
            labels += [label] * len(files)
            test += [split is not listing.splits[0]] * len(files)
    images, changed = read_images([str(path) for path in paths], partial(open, mode="rb"), shape, "reading")
    skipped = [f"skipped {count} {what}" for what, count in sorted(listing.skipped.items())]
    held_out = torch.tensor(test) if len(listing.splits) > 1 else None
    return RawImages(images, torch.tensor(labels), tuple(names), held_out, (*changed, *skipped))
