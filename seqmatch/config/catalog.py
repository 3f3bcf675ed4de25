"""The sources of images that seqmatch knows, and their sizes. Imports no torch."""

import math
from dataclasses import dataclass, replace

SMALLEST_SIDE, LARGEST_SIDE = 8, 128
"""Pixels of a side, of images that networks take."""


@dataclass(frozen=True)
class Source:
    """How large a source is, and what it needs."""

    train: int
    """Images; for the ImageNet subsets about 1,300 a class."""
    test: int
    """Images of its own test split; 0 where part of the images is held out instead."""
    classes: int
    smallest: int
    """Training images of its smallest class; at most, for the ImageNet subsets."""
    shape: tuple[int, int, int]
    """(C, H, W)."""
    downloaded: bool = False
    """Its published files are fetched; other sources come with a package or lie in a folder of the user's."""

    def resized(self, side: int | None) -> "Source":
        """With images of `side` pixels, where it is given."""
        channels, height, width = self.shape
        return replace(self, shape=(channels, side or height, side or width))


ASSUMED = Source(train=50_000, test=10_000, classes=10, smallest=0, shape=(3, 32, 32))
"""Of images that are nowhere counted before a job reads them."""


@dataclass(frozen=True)
class Splits:
    """How many images each split has, of a source or of one class, where a share of each class is held out."""

    train: int
    validation: int
    test: int


def splits_of(source: Source, test_fraction: float, validation_fraction: float) -> Splits:
    """Sizes of the splits of a source: scikit-learn rounds what is held out upwards."""
    test = source.test or math.ceil(source.train * test_fraction)
    rest = source.train if source.test else source.train - test
    validation = math.ceil(rest * validation_fraction)
    return Splits(rest - validation, validation, test)


def smallest_class(source: Source, splits: Splits) -> int:
    """Images of the smallest class in the training split, at most."""
    rest = splits.train + splits.validation
    kept = math.ceil(source.smallest * rest / source.train)
    return math.ceil(kept * splits.train / rest)


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
    "digits": Source(1797, 0, 10, 174, (1, 8, 8)),
    "mnist": Source(60_000, 10_000, 10, 5421, (1, 28, 28), downloaded=True),
    "fashion-mnist": Source(60_000, 10_000, 10, 6000, (1, 28, 28), downloaded=True),
    "svhn": Source(73_257, 26_032, 10, 4659, (3, 32, 32), downloaded=True),
    "cifar10": Source(50_000, 10_000, 10, 5000, (3, 32, 32), downloaded=True),
    "cifar100": Source(50_000, 10_000, 100, 500, (3, 32, 32), downloaded=True),
    "tiny-imagenet": Source(100_000, 10_000, 200, 500, (3, 64, 64), downloaded=True),
    **dict.fromkeys(IMAGENET_SUBSETS, Source(13_000, 500, 10, 1300, (3, 128, 128))),
}
"""By the name that `datasets.*.source` gives; `imagefolder`, of any size, is not among them."""

WHITENING_BYTES = 5 * 8
"""Bytes of main memory per number of a matrix that whitens images, while it is fitted: its covariance, its eigenvectors
and their copies, float64. Measured."""

LARGEST_WHITENED = 32_767
"""Numbers of an image that can be whitened: LAPACK counts the 2n² numbers that it works in with 32 bits."""

NEED_PATH = ("imagefolder", *IMAGENET_SUBSETS)
"""Sources that lie in a folder of the user's, `datasets.*.path`."""
