"""How large the data sets of a configuration are; of images in a folder, one is opened. Imports no torch."""

from itertools import islice
from pathlib import Path

from seqmatch.config.catalog import LARGEST_SIDE, SOURCES, Source
from seqmatch.config.sections import Dataset
from seqmatch.data.listing import FORMATS, Listing
from seqmatch.errors import SeqmatchError

MOST_FILES = 100_000
"""Files of an `imagefolder` that are looked at; its other classes are taken to be as large as those."""

NOT_COUNTED = 0
"""Images of the smallest class of an `imagefolder`, which the job that reads them counts."""


def size_of(dataset: Dataset) -> Source:
    """How large a data set of the configuration is; an `imagefolder` is counted, and empty where it cannot be read.

    What is wrong with it is not said here: it may be on another machine, or be read already.
    """
    if dataset.source == "imagefolder":
        return _counted(dataset)
    return SOURCES[dataset.source].resized(dataset.image_size)


def pixels_of(dataset: Dataset) -> int:
    """Numbers in all images of a data set."""
    size = size_of(dataset)
    channels, height, width = size.shape
    return (size.train + size.test) * channels * height * width


def _counted(dataset: Dataset) -> Source:
    try:
        listing = Listing(Path(dataset.path))
        (train, first), *test = (_images(listing, split) for split in listing.splits)
        side = dataset.image_size or _side(first)
        shape = (dataset.channels, side, side)
        return Source(train, sum(count for count, _ in test), len(listing.classes), NOT_COUNTED, shape)
    except (SeqmatchError, OSError):
        return Source(0, 0, 0, NOT_COUNTED, (dataset.channels, *(dataset.image_size or LARGEST_SIDE,) * 2))


def _images(listing: Listing, split: Path) -> tuple[int, str]:
    """How many there are in a split, and the path of one."""
    images, looked_at = [], 0
    for number, name in enumerate(listing.classes, start=1):
        files = list(islice(listing.files(split / name), MOST_FILES - looked_at))
        found = [file.path for file in files if listing.is_image(file)]
        if not found:
            raise SeqmatchError(f"{split / name}: no images")
        images, looked_at = images + found, looked_at + len(files)
        if looked_at >= MOST_FILES:
            return len(images) * len(listing.classes) // number, images[0]
    return len(images), images[0]


def _side(file: str) -> int:
    """Pixels of the longer side of an image, as far as networks may take it."""
    from PIL import Image  # here, since other sources need it not

    try:
        with Image.open(file, formats=FORMATS) as image:
            return min(max(image.size), LARGEST_SIDE)
    except Exception:  # whatever mangled files raise; the job that reads it names it
        return LARGEST_SIDE
