"""Data sets that torchvision reads: MNIST, Fashion-MNIST, SVHN, CIFAR-10 and CIFAR-100.

torchvision knows their files and checksums and decodes them; fetching and unpacking are ours, because torchvision
neither retries nor limits what an archive may write. CIFAR's batches are pickles: torchvision opens only those whose
own checksums fit.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqmatch.config.catalog import SOURCES
from seqmatch.data.archives import unpack_gzip, unpack_tar
from seqmatch.data.download import PublishedFile, unreadable
from seqmatch.data.images import RawImages
from seqmatch.errors import ran_out_of_memory
from seqmatch.files.temporary import temporary_folder

NAMES = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "svhn": "SVHN",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
"""torchvision's class of each source."""


def published_files(source: str) -> list[PublishedFile]:
    """What its authors publish, with torchvision's addresses and checksums."""
    reader = _reader(source)
    if source == "svhn":
        return [PublishedFile(name, md5, (url,)) for url, name, md5 in _svhn_splits(reader)]
    if source.startswith("cifar"):
        return [PublishedFile(reader.filename, reader.tgz_md5, (reader.url,))]
    return [PublishedFile(name, md5, tuple(place + name for place in reader.mirrors)) for name, md5 in reader.resources]


def read_torchvision(source: str, folder: Path) -> RawImages:
    """Training and test split of `source`, whose published files lie in `folder`.

    Raises:
        SeqmatchError: a file is damaged or another one than is published.
        OSError: it may not be read, or not be unpacked here.
    """
    place = folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())  # it may be one for all users
    with temporary_folder(place, "unpacked") as temporary:
        root = _unpacked(source, folder, temporary)
        try:
            train, test = (_split(source, root, train) for train in (True, False))
        except (RuntimeError, ValueError, OSError, LookupError, EOFError, AssertionError, TypeError) as error:
            if ran_out_of_memory(error) or getattr(error, "errno", None) is not None:  # not of the content
                raise
            raise unreadable(published_files(source), folder, error) from None
    (images, labels, names), (test_images, test_labels, _) = train, test
    return RawImages(
        images=torch.cat([images, test_images]),
        labels=torch.cat([labels, test_labels]),
        class_names=names,
        test=torch.arange(len(labels) + len(test_labels)) >= len(labels),
    )


def _unpacked(source: str, folder: Path, temporary: Path) -> Path:
    """The folder in which torchvision finds what it reads."""
    if source == "svhn":
        return folder
    if source.startswith("cifar"):
        unpack_tar(folder / _reader(source).filename, temporary)
        return temporary
    raw = temporary / NAMES[source] / "raw"
    raw.mkdir(parents=True)
    for file in published_files(source):
        unpack_gzip(folder / file.name, raw / Path(file.name).stem)
    return temporary


def _split(source: str, root: Path, train: bool) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """uint8 images (N, C, H, W), int64 labels (N,) and class names."""
    reader = _reader(source)
    if source == "svhn":
        split = reader(root, "train" if train else "test")
        images, labels, names = np.ascontiguousarray(split.data), split.labels, [str(digit) for digit in range(10)]
    elif source.startswith("cifar"):
        split = reader(root, train)
        images, labels, names = np.ascontiguousarray(split.data.transpose(0, 3, 1, 2)), split.targets, split.classes
    else:
        split = reader(root, train)
        images, labels, names = split.data.unsqueeze(1), split.targets, [name.split(" - ")[0] for name in split.classes]
    images, labels = torch.as_tensor(images), torch.as_tensor(labels).long()
    shape = SOURCES[source].shape
    if images.shape != (len(labels), *shape) or not ((labels >= 0) & (labels < len(names))).all():
        raise ValueError(
            f"expected a label of {len(names)} for each image of {shape}, found images {tuple(images.shape)} and "
            f"{len(labels)} labels of {labels.min()} to {labels.max()}"
        )
    return images, labels, tuple(names)


def _svhn_splits(reader: Any) -> list[list[str]]:
    return [reader.split_list[name] for name in ("train", "test")]


def _reader(source: str) -> Callable[..., Any]:
    from torchvision import datasets  # seconds to import

    return getattr(datasets, NAMES[source])
