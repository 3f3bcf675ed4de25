"""Sources that lie in folders of image files: the user's own, and subsets of ImageNet-1k."""

import sys
from pathlib import Path

import torch

from seqmatch import config
from seqmatch.config.catalog import IMAGENET_SUBSETS, SOURCES
from seqmatch.data.images import RawImages, read_images
from seqmatch.errors import SeqmatchError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
"""Endings of names, in lower case; other files are skipped and counted."""

IMAGENET_CLASSES = 1000


def read_imagefolder(settings: config.Dataset) -> RawImages:
    """Classes as folders: `train/<class>/…` and `test/<class>/…`, or `<class>/…` of which a part is held out.

    Raises:
        SeqmatchError: names the folder or file at fault.
    """
    root = Path(settings.path)
    if (root / "train").is_dir() != (root / "test").is_dir():
        raise SeqmatchError(f"{root}: there must be both train/ and test/, or neither and the classes themselves")
    splits = [root / "train", root / "test"] if (root / "train").is_dir() else [root]
    classes = _folders(splits[0])
    if len(classes) < 2:
        raise SeqmatchError(f"{splits[0]}: a folder for each of at least two classes is expected, found {len(classes)}")
    for split in splits[1:]:
        if _folders(split) != classes:
            differing = ", ".join(sorted(set(_folders(split)) ^ set(classes)))
            raise SeqmatchError(f"{split}: its classes are not those of {splits[0]}; they differ in: {differing}")
    return _read(splits, classes, classes, settings.channels, settings.image_size)


def read_imagenet_subset(settings: config.Dataset) -> RawImages:
    """Ten classes of ImageNet-1k, from its `train/<wnid>/…` and `val/<wnid>/…`; the latter is the test split.

    Raises:
        SeqmatchError: names the folder or file at fault.
    """
    splits = [Path(settings.path) / "train", Path(settings.path) / "val"]
    for split in splits:
        found = len(_folders(split))
        if found != IMAGENET_CLASSES:
            raise SeqmatchError(
                f"{split}: ImageNet-1k has {IMAGENET_CLASSES} class folders, found {found}; the classes of "
                f"{settings.source} are counted among all of them (for ten folders alone, use `imagefolder`)"
            )
    everything = _folders(splits[0])
    from torchvision.models import ResNet18_Weights  # seconds to import

    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    chosen = IMAGENET_SUBSETS[settings.source]
    channels, side, _ = SOURCES[settings.source].shape
    wnids = [everything[index] for index in chosen]
    return _read(splits, wnids, [names[index] for index in chosen], channels, settings.image_size or side)


def _read(splits: list[Path], folders: list[str], names: list[str], channels: int, side: int | None) -> RawImages:
    """Images of `folders` in one split, or in training and test split."""
    paths, labels, test = [], [], []
    for split in splits:
        for label, folder in enumerate(folders):
            files = _files(split / folder)
            paths += files
            labels += [label] * len(files)
            test += [split is not splits[0]] * len(files)
    images = read_images([str(path) for path in paths], str, channels, side, "reading")
    held_out = torch.tensor(test) if len(splits) > 1 else None
    return RawImages(images, torch.tensor(labels), tuple(names), held_out)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise SeqmatchError(f"{root}: there is no such folder")
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    images = [path for path in found if path.suffix.lower() in EXTENSIONS]
    if len(images) < len(found):
        print(f"note: {folder}: {len(found) - len(images)} files that are not images were skipped", file=sys.stderr)
    if not images:
        raise SeqmatchError(f"{folder}: no images ({', '.join(sorted(EXTENSIONS))}); a class cannot be empty")
    return images
