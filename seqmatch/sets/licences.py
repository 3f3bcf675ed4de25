"""Whose the real images of each source are, and what their makers allow. Facts as their publishers state them."""

from dataclasses import dataclass

from seqmatch.config.catalog import IMAGENET_SUBSETS


@dataclass(frozen=True)
class Licence:
    """Of the images of a source."""

    name: str
    """As the makers name it; "unknown" where they name none."""
    identifier: str
    """As cards of data sets on a hub have it."""
    where: str
    """Who states it, or what they state instead."""
    title: str
    """Of the data set."""
    makers: str


UNKNOWN = Licence(
    "unknown", "unknown", "no source is named, or one of the user's own", "images of one's own", "unknown"
)

_IMAGENET = Licence(
    "terms of access of ImageNet",
    "other",
    "ImageNet gives access for research and education that is not commercial, and does not own the images",
    "ImageNet-1k",
    "Russakovsky et al. (2015)",
)

LICENCES = {
    "digits": Licence(
        "CC BY 4.0",
        "cc-by-4.0",
        "the page of the data set in the UCI Machine Learning Repository; scikit-learn ships its test part",
        "Optical Recognition of Handwritten Digits",
        "Alpaydin and Kaynak (1998)",
    ),
    "mnist": Licence(
        "CC BY-SA 3.0",
        "cc-by-sa-3.0",
        "Keras' documentation says so of it; the makers' own page names no licence",
        "MNIST",
        "LeCun, Cortes and Burges (1998)",
    ),
    "fashion-mnist": Licence(
        "MIT", "mit", "the repository of the data set", "Fashion-MNIST", "Xiao, Rasul and Vollgraf (2017), Zalando SE"
    ),
    "svhn": Licence(
        "for non-commercial use only",
        "other",
        "the makers' page",
        "Street View House Numbers",
        "Netzer et al. (2011)",
    ),
    "cifar10": Licence("unknown", "unknown", "the makers' page names none", "CIFAR-10", "Krizhevsky (2009)"),
    "cifar100": Licence("unknown", "unknown", "the makers' page names none", "CIFAR-100", "Krizhevsky (2009)"),
    "tiny-imagenet": Licence(
        "unknown",
        "unknown",
        "its makers name none; its images are of ImageNet, whose terms allow research that is not commercial",
        "Tiny ImageNet",
        "Stanford CS231n (2015)",
    ),
    **dict.fromkeys(IMAGENET_SUBSETS, _IMAGENET),
}
"""By the name that `datasets.*.source` gives."""


def licence_of(source: str | None) -> Licence:
    """The licence of a source; unknown for one that is not in the list."""
    return LICENCES.get(source or "", UNKNOWN)
