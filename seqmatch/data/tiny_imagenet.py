"""Tiny ImageNet, read straight from its published zip file: nothing is unpacked to the disk."""

import errno
import io
import zipfile
import zlib
from pathlib import Path

import torch

from seqmatch.config.catalog import SOURCES
from seqmatch.data.download import PublishedFile, unreadable
from seqmatch.data.images import RawImages, Shape, read_images
from seqmatch.errors import SeqmatchError

FILE = PublishedFile(
    name="tiny-imagenet-200.zip",
    md5="90528d7ca1a48142e341f4ef8d21d0de",
    urls=("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
)
ROOT = "tiny-imagenet-200"
LARGEST_MEMBER = 2**24
"""Bytes that a file in the archive may unpack to; the largest real one is 3 MB (words.txt)."""


def read_tiny_imagenet(folder: Path) -> RawImages:
    """200 classes of 64×64 colour images; the test split is the published validation split, whose labels are known.

    Raises:
        SeqmatchError: the zip file is damaged, or not Tiny ImageNet's.
        OSError: it may not be read.
    """
    archive = folder / FILE.name
    try:
        with zipfile.ZipFile(archive) as opened:
            return _read(opened, str(archive))
    except OSError as error:
        if error.errno != errno.EINVAL:  # which a place before the file's beginning gives
            raise
        raise unreadable([FILE], folder, error) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, IndexError) as error:
        raise unreadable([FILE], folder, error) from None
    except KeyError as error:
        raise SeqmatchError(f"{archive}: not the archive of Tiny ImageNet: {error.args[0]}") from None


def _read(opened: zipfile.ZipFile, archive: str) -> RawImages:
    wnids = _text(opened, f"{ROOT}/wnids.txt", archive).split()
    words = dict(line.split("\t", 1) for line in _text(opened, f"{ROOT}/words.txt", archive).splitlines())
    label_of = {wnid: label for label, wnid in enumerate(wnids)}

    train = [
        name
        for name in sorted(set(opened.namelist()))
        if name.startswith(f"{ROOT}/train/") and name.upper().endswith(".JPEG")
    ]
    annotations = _text(opened, f"{ROOT}/val/val_annotations.txt", archive).splitlines()
    held_out = [line.split("\t")[:2] for line in annotations]
    labels = [label_of[name.split("/")[2]] for name in train] + [label_of[wnid] for _, wnid in held_out]
    names = train + [f"{ROOT}/val/images/{file}" for file, _ in held_out]
    if not names:
        raise KeyError("it has no images")
    paths = [f"{archive}/{name}" for name in names]
    images, changed = read_images(
        paths,
        lambda path: io.BytesIO(_bytes(opened, path.removeprefix(f"{archive}/"), archive)),
        Shape(channels=3),
        "Tiny ImageNet",
    )
    if images.shape[1:] != SOURCES["tiny-imagenet"].shape:
        raise KeyError(f"its images are of {tuple(images.shape[1:])}")
    return RawImages(
        images=images,
        labels=torch.tensor(labels),
        class_names=tuple(words[wnid].split(",")[0] for wnid in wnids),
        test=torch.arange(len(names)) >= len(train),
        notes=tuple(changed),
    )


def _text(opened: zipfile.ZipFile, name: str, archive: str) -> str:
    return _bytes(opened, name, archive).decode("utf-8")


def _bytes(opened: zipfile.ZipFile, name: str, archive: str) -> bytes:
    if opened.getinfo(name).file_size > LARGEST_MEMBER:
        raise SeqmatchError(f"{archive}: refused: {name} unpacks to more than {LARGEST_MEMBER:,} bytes")
    return opened.read(name)
