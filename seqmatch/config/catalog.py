"""The sources of images that seqmatch knows, without reading any: for planning and estimates. Imports no torch."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqmatch.config import Dataset


@dataclass(frozen=True)
class Source:
    """How large a source is, and what it needs."""

    train: int
    """Images; for the ImageNet subsets about 1,300 a class."""
    test: int
    """Images of its own test split; 0 where part of the images is held out instead."""
    classes: int
    shape: tuple[int, int, int]
    """(C, H, W)."""
    downloaded: bool = False
    """Its published files are fetched; other sources come with a package or lie in a folder of the user's."""


IMAGENET_SUBSETS = {
    "imagenette": (0, 217, 482, 491, 497, 566, 569, 571, 574, 701),
    "imagewoof": (193, 182, 258, 162, 155, 167, 159, 273, 207, 229),
    "imagemeow": (281, 282, 283, 284, 285, 291, 292, 290, 289, 287),
    "imagefruit": (953, 954, 949, 950, 951, 957, 952, 945, 943, 948),
    "imagesquawk": (84, 130, 88, 144, 145, 22, 96, 9, 100, 89),
    "imageyellow": (309, 986, 954, 951, 987, 779, 599, 291, 72, 11),
}
"""Classes of each subset, by their place among ImageNet-1k's thousand in the order of their WordNet names (MTT)."""

SOURCES = {
    "digits": Source(1797, 0, 10, (1, 8, 8)),
    "mnist": Source(60_000, 10_000, 10, (1, 28, 28), downloaded=True),
    "fashion-mnist": Source(60_000, 10_000, 10, (1, 28, 28), downloaded=True),
    "svhn": Source(73_257, 26_032, 10, (3, 32, 32), downloaded=True),
    "cifar10": Source(50_000, 10_000, 10, (3, 32, 32), downloaded=True),
    "cifar100": Source(50_000, 10_000, 100, (3, 32, 32), downloaded=True),
    "tiny-imagenet": Source(100_000, 10_000, 200, (3, 64, 64), downloaded=True),
    **dict.fromkeys(IMAGENET_SUBSETS, Source(13_000, 500, 10, (3, 128, 128))),
}
"""By the name that `datasets.*.source` gives; `imagefolder`, of any size, is not among them."""

DEFAULT_SIDE = 32
"""Pixels assumed of an `imagefolder` without `image_size`, where only the order of magnitude matters."""

NEED_PATH = ("imagefolder", *IMAGENET_SUBSETS)
"""Sources that lie in a folder of the user's, `datasets.*.path`."""


def size_of(settings: "Dataset") -> Source:
    """How large a data set of the configuration is; an `imagefolder` is counted, and empty where it is missing."""
    if settings.source == "imagefolder":
        found = _count(settings.path)
        shape = (settings.channels, *(settings.image_size or DEFAULT_SIDE,) * 2)
        return Source(found, 0, len(_classes(settings.path)), shape)
    known = SOURCES[settings.source]
    channels, height, width = known.shape
    return replace(known, shape=(channels, settings.image_size or height, settings.image_size or width))


def pixels_of(settings: "Dataset") -> int:
    """Numbers in all images of a data set."""
    size = size_of(settings)
    channels, height, width = size.shape
    return (size.train + size.test) * channels * height * width


def _classes(path: str) -> list[str]:
    root = os.path.join(path, "train") if os.path.isdir(os.path.join(path, "train")) else path
    return [entry.name for entry in os.scandir(root) if entry.is_dir()] if os.path.isdir(root) else []


def _count(path: str) -> int:
    return sum(len(files) for _, _, files in os.walk(path))
