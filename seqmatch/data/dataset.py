"""A prepared data set: images, splits and normalisation in one memory-mappable file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqmatch.data import normalization
from seqmatch.data.normalization import Normalization
from seqmatch.errors import SeqmatchError
from seqmatch.files import kinds
from seqmatch.files.tensors import load_tensors, save_tensors

KNOWN_BY = 64
"""Images of which a header tells the level."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """Images with their labels, split in train, validation and test."""

    images: Tensor
    """uint8, (N, C, H, W)."""
    labels: Tensor
    """int64, (N,)."""
    splits: dict[str, Tensor]
    """Ascending int64 indices by name, disjoint, together 0 … N − 1. Validation may be empty."""
    class_names: tuple[str, ...]
    normalization: Normalization
    """Fitted on the training split alone."""
    augmentation: tuple[str, ...]
    """DSA operations for training on these images and on those distilled from them."""
    prepared: dict[str, Any] = field(default_factory=dict)
    """From what, and how: the parameters in the header of its file, how many images there are, and their levels."""

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return tuple(self.images.shape[1:])

    @property
    def dimensions(self) -> dict[str, int]:
        """What must fit where images of it, or distilled from it, are read."""
        return {**dict(zip("CHW", self.shape, strict=True)), "classes": self.classes}

    def split(self, name: str, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Normalised float32 images (n, C, H, W) and int64 labels (n,) of one split, on `device`."""
        index = self.splits[name]
        return self.normalization.apply(self.images[index]).to(device), self.labels[index].to(device)


def save(path: Path, dataset: Dataset, header: dict[str, Any]) -> None:
    """Write a data set; `header` is its provenance."""
    tensors = {"images": dataset.images, "labels": dataset.labels}
    tensors |= {f"split.{name}": index for name, index in dataset.splits.items()}
    tensors |= dataset.normalization.tensors()
    about = {"class_names": dataset.class_names, "augmentation": dataset.augmentation}
    save_tensors(path, tensors, header | about)


def load(path: Path) -> Dataset:
    """Read a data set that `save` wrote.

    Raises:
        SeqmatchError: the file is missing or damaged, or not a data set.
    """
    tensors, header = load_tensors(path, kinds.DATASET)
    prepared = header.get("parameters", {})
    regularization = prepared.get("preparation", {}).get("zca_regularization", 0.1)
    return Dataset(
        images=tensors["images"],
        labels=tensors["labels"],
        splits={name: tensors[f"split.{name}"] for name in SPLITS},
        class_names=tuple(header["class_names"]),
        normalization=normalization.from_tensors(tensors, regularization),
        augmentation=tuple(header["augmentation"]),
        prepared=prepared | known_by(tensors["images"]),
    )


def known_by(images: Tensor) -> dict[str, Any]:
    """What images are known by in headers: how many there are, and the mean level of some.

    Args:
        images: uint8 (N, C, H, W).

    Returns:
        `images`: N; `levels`: of at most 64 images, from first to last, the mean of all pixels, in 0 to 255. Splits are
        drawn by position, so other images, or the same in another order, would be split otherwise.
    """
    some = torch.linspace(0, len(images) - 1, min(len(images), KNOWN_BY), dtype=torch.float64).long()
    levels = images[some].double().mean((1, 2, 3)).tolist()
    return {"images": len(images), "levels": [round(level, 1) for level in levels]}


def check_classes(dataset: Dataset, needed: int) -> None:
    """Whether every class has the training images that the largest synthetic set starts from.

    Raises:
        SeqmatchError: names the smallest class, if it has fewer than `needed`.
    """
    counts = dataset.labels[dataset.splits["train"]].bincount(minlength=dataset.classes)
    smallest = int(counts.argmin())
    if counts[smallest] < needed:
        raise SeqmatchError(
            f"class {dataset.class_names[smallest]} has {counts[smallest]} training images, but a synthetic set of "
            f"`cells` starts from {needed} of each class; lower `ipc`, or hold out fewer images"
        )
