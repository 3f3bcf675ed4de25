"""The real images of a set: those that it is tested on, and those that tell how it is normalised."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from seqmatch import config
from seqmatch.config.catalog import LARGEST_SIDE, NEED_PATH, SMALLEST_SIDE, SOURCES
from seqmatch.config.sections import DOWNLOADED
from seqmatch.data import download, prepare, sources
from seqmatch.data.dataset import Dataset, known_by
from seqmatch.data.images import RawImages
from seqmatch.errors import SeqmatchError, allowed, printable
from seqmatch.seeds import Seed
from seqmatch.sets.distilled import Distilled, expect_set

NEVER_MIRRORED = ("digits", "mnist", "svhn")
"""Sources of numerals."""


@dataclass(frozen=True)
class Real:
    """Images of a source, and how the data set of a set prepares them."""

    raw: RawImages
    name: str
    """Of the data set; names the draws of its splits."""
    settings: config.Dataset

    @cached_property
    def splits(self) -> dict[str, Tensor]:
        """As of `seqmatch.data.prepare.split`."""
        return prepare.split(self.raw, self.settings, self._seed)

    def images(self, split: str) -> tuple[Tensor, Tensor]:
        """Images and labels of one split: uint8 (N, C, H, W), int64 (N,)."""
        index = self.splits[split]
        return self.raw.images[index], self.raw.labels[index]

    def dataset(self) -> Dataset:
        """The images as prepared for others."""
        return prepare.prepare(self.raw, self.settings, self._seed)

    @property
    def _seed(self) -> Seed:
        return Seed("prepare", self.name, self.settings.split_seed)


def test_images(
    distilled: Distilled, source: str | None = None, folder: str | Path | None = None
) -> tuple[Tensor, Tensor]:
    """Real test images, of the size of those of the set, and their labels: what `evaluate` takes.

    Where the source has no test split of its own, a part of its images: the one that was held out when the set was
    made, if the set tells of the same source.

    Args:
        source: by default that of the set.
        folder: where its files lie; what is published and not there is fetched. By default data/SOURCE.

    Returns:
        uint8 (N, C, H, W), int64 (N,), in the set's order of classes.

    Raises:
        SeqmatchError: the source is not known, its files cannot be had, or its images do not fit the set.
    """
    return real(distilled, source, folder).images("test")


def training_images(
    distilled: Distilled, source: str | None = None, folder: str | Path | None = None
) -> tuple[Tensor, Tensor]:
    """Real training images and their labels, without those that the set's makers held out: what `refit` takes.

    Arguments, what is returned and raised: as of `test_images`.
    """
    return real(distilled, source, folder).images("train")


def real(distilled: Distilled, source: str | None = None, folder: str | Path | None = None) -> Real:
    """All images of the source of a set, or of another; as of `test_images`."""
    expect_set(distilled)
    name, settings = _settings(distilled, source)
    raw = read(settings, folder)
    if raw.test is None and distilled.about.get("prepared", {}).get("dataset") == name:
        _check_split(raw, distilled, settings.source)
    return Real(_fitting(raw, distilled, settings.source), name, settings)


def read(settings: config.Dataset, folder: str | Path | None = None) -> RawImages:
    """All images of a source; what is published and not there is fetched.

    Args:
        folder: where its files lie; by default data/SOURCE.

    Raises:
        SeqmatchError: its files cannot be had or read.
    """
    place = Path(folder or f"data/{settings.source}")
    if folder is not None and settings.source not in (*DOWNLOADED, *NEED_PATH):
        raise SeqmatchError(f"{folder}: {settings.source} comes with a package, and no folder is read; leave it out")
    if settings.source in NEED_PATH:
        if folder is None and not place.is_dir():
            raise SeqmatchError(
                f"{place}: there is no such folder: say where the images lie (folder, --data), or name a source that "
                "is published (source, --dataset)"
            )
        settings = settings.model_copy(update={"path": str(place)})
    if settings.source in DOWNLOADED:
        download.complete(sources.published_files(settings.source), place)
    return sources.read(settings, place)


def usual(source: str, shape: tuple[int, int, int], normalization: str, folder: str | Path | None = None) -> Real:
    """Images of a source, and how it is usually prepared for images of others.

    Args:
        shape: (C, H, W) of the images.
        normalization: as of `datasets.*.normalization`.
        folder: as of `read`.

    Raises:
        SeqmatchError: as `read`; or it has images of other channels.
    """
    settings = _of_source(source, shape).model_copy(update={"normalization": normalization})
    if source in NEVER_MIRRORED:
        kept = [operation for operation in settings.augmentation if operation != "flip"]
        settings = settings.model_copy(update={"augmentation": kept})
    raw = read(settings, folder)
    _check_shape(raw, shape, source)
    return Real(raw, source, settings)


def _of_source(source: str, shape: tuple[int, int, int]) -> config.Dataset:
    """None are held out to choose by: all that is not test data trains."""
    if source not in (known := ("imagefolder", *SOURCES)):
        raise SeqmatchError(f"{source}: not a source of real images; {allowed(source, known)}")
    if shape[1] != shape[2] or not SMALLEST_SIDE <= shape[1] <= LARGEST_SIDE:
        raise SeqmatchError(
            f"images of {shape[1]}×{shape[2]} pixels: real ones are square here, of {SMALLEST_SIDE} to {LARGEST_SIDE} "
            "pixels; test on images of your own with seqmatch.evaluate"
        )
    own = {} if source in SOURCES else {"channels": shape[0]}
    return config.Dataset(source=source, image_size=shape[1], validation_fraction=0.0, **own)


def _settings(distilled: Distilled, source: str | None) -> tuple[str, config.Dataset]:
    """The name of the data set, and how it is read and split."""
    prepared = distilled.about.get("prepared", {})
    try:
        own = config.Dataset(**prepared.get("preparation", {}))
    except ValidationError:  # the set does not tell, or as another version had it
        own = None
    if own is not None and source in (None, own.source):
        return prepared["dataset"], own
    if source is None:
        raise SeqmatchError("the set does not tell which real images it was made from; name the source (--dataset)")
    return source, _of_source(source, distilled.shape)


def _check_split(raw: RawImages, distilled: Distilled, source: str) -> None:
    """Whether images that have no test split of their own are those of the set's makers.

    Raises:
        SeqmatchError: they are not, so that other images were held out.
    """
    told, found = distilled.about["prepared"], known_by(raw.images)
    if told.get("levels") is None:
        if source in NEED_PATH:
            warnings.warn(
                f"{source}: a part of these images is taken for the one that was held out of the set, which does not "
                "tell whether it was made from the same ones",
                stacklevel=4,
            )
        return
    pairs = zip(told["levels"], found["levels"], strict=False)
    if told["images"] != found["images"] or any(abs(ours - theirs) > 1 for ours, theirs in pairs):
        raise SeqmatchError(
            f"{source}: not the images that the set was made from ({told['images']}; found {found['images']}), or in "
            "another order, as their files and folders are named: which were held out cannot be told; give the same "
            "ones, or test on images of your own with seqmatch.evaluate"
        )


def _check_shape(raw: RawImages, shape: tuple[int, int, int], source: str) -> None:
    if raw.images.shape[1:] != shape:
        found, expected = ("×".join(map(str, size)) for size in (raw.images.shape[1:], shape))
        raise SeqmatchError(f"{source}: its images are of {found}, those of the set of {expected}")


def _fitting(raw: RawImages, distilled: Distilled, source: str) -> RawImages:
    """The images with the set's numbers of classes, which another order of names may change.

    Raises:
        SeqmatchError: they are of another shape, or of other classes.
    """
    _check_shape(raw, distilled.shape, source)
    numbers = torch.tensor(_numbers_of(raw.class_names, distilled, source))
    return replace(raw, labels=numbers[raw.labels], class_names=distilled.class_names)


def _numbers_of(found: Sequence[str], distilled: Distilled, source: str) -> list[int]:
    """For each class that was found its number in the set."""
    own = distilled.class_names
    if len(found) != len(own):
        raise SeqmatchError(f"{source}: has {len(found)} classes, the set {len(own)}")
    here, there = _counted(found), _counted(own)
    if distilled.about.get("unnamed"):
        if source == "imagefolder" and here != list(range(len(own))):
            _warn_of_order(source, "in their order", f"{printable(found[0])} here is 0 there")
        return list(range(len(own)))
    if sorted(own) == sorted(found):
        return [own.index(name) for name in found]
    if here and there and min(here) == min(there):
        return [there.index(number) for number in here]
    both = set(own) & set(found)
    if both or (there and "prepared" in distilled.about):  # numerals
        other = next(name for name in found if name not in both)
        expected = ", ".join(printable(name) for name in own if name not in both)
        mend = "name its folders so" if source == "imagefolder" else "name those of the set as here (class_names)"
        raise SeqmatchError(
            f"{source}: has a class {printable(other)}, which the set has not; expected {expected}; {mend}"
        )
    numbers = [number - min(here) for number in here] if here else list(range(len(own)))
    by = "as they are numbered" if here else "in their order"
    _warn_of_order(source, by, f"{printable(found[0])} here is {printable(own[numbers[0]])} there")
    return numbers


def _warn_of_order(source: str, by: str, example: str) -> None:
    warnings.warn(f"{source}: classes have other names than in the set, and are taken {by}: {example}", stacklevel=6)


def _counted(names: Sequence[str]) -> list[int]:
    """The numbers from 0, or from 1, that names are, as "0" or "00"; none where they are other names."""
    numbers = [int(name) for name in names if name.isdecimal()]
    return numbers if sorted(numbers) in [list(range(first, first + len(names))) for first in (0, 1)] else []
