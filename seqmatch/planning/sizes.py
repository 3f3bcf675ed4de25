"""How large the data sets of a configuration are, without reading an image. Imports no torch."""

import os
from dataclasses import replace
from itertools import islice

from seqmatch.config.catalog import SOURCES, Source
from seqmatch.config.sections import Dataset

DEFAULT_SIDE = 32
"""Pixels assumed of an `imagefolder` without `image_size`, where only the order of magnitude matters."""


MOST_FOLDERS, MOST_FILES = 20_000, 2_000_000
"""Of an `imagefolder` that are counted at most: more are no set of images that is prepared in memory."""


def size_of(dataset: Dataset) -> Source:
    """How large a data set of the configuration is; an `imagefolder` is counted, and empty where it is missing."""
    if dataset.source == "imagefolder":
        found = _count(dataset.path)
        shape = (dataset.channels, *(dataset.image_size or DEFAULT_SIDE,) * 2)
        return Source(found, 0, len(_classes(dataset.path)), 0, shape)
    known = SOURCES[dataset.source]
    channels, height, width = known.shape
    return replace(known, shape=(channels, dataset.image_size or height, dataset.image_size or width))


def pixels_of(dataset: Dataset) -> int:
    """Numbers in all images of a data set."""
    size = size_of(dataset)
    channels, height, width = size.shape
    return (size.train + size.test) * channels * height * width


def _classes(path: str) -> list[str]:
    root = os.path.join(path, "train") if os.path.isdir(os.path.join(path, "train")) else path
    return [entry.name for entry in os.scandir(root) if entry.is_dir()] if os.path.isdir(root) else []


def _count(path: str) -> int:
    total = 0
    for _, _, files in islice(os.walk(path), MOST_FOLDERS):
        total += len(files)
        if total > MOST_FILES:
            break
    return total
