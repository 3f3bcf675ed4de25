"""From image files of any kind to one tensor of equal, square images."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from seqmatch.errors import SeqmatchError
from seqmatch.runtime.progress import Progress

MODES = {1: "L", 3: "RGB"}
"""Pillow's name for images of so many channels."""

SAMPLING = Image.Resampling.BILINEAR
"""Averages over all the pixels that a smaller image's pixel covers."""


@dataclass(frozen=True)
class RawImages:
    """Images as a source has them."""

    images: Tensor
    """uint8, (N, C, H, W)."""
    labels: Tensor
    """int64, (N,), in 0 … classes − 1."""
    class_names: tuple[str, ...]
    test: Tensor | None = None
    """bool, (N,): which images are the source's own test split; None if it has none."""


def read_images(
    names: Sequence[str], opened: Callable[[str], Any], channels: int, side: int | None, what: str
) -> Tensor:
    """Decode image files to uint8 (N, channels, side, side).

    Other kinds of pixels (grey, palette, transparent, CMYK) are converted, and counted on standard error. Where sizes
    differ, the short side becomes `side` and the middle is kept.

    Args:
        names: names of the files, for `opened` and for messages.
        opened: a path or an open binary file for a name.
        side: pixels; None: as the images are, if all are alike.
        what: what is read, for the progress bar.

    Raises:
        SeqmatchError: names the file that cannot be read, or whose size differs from the others'.
    """
    images, converted = None, Counter()
    for index, name in enumerate(Progress(names, desc=what, unit="image")):
        try:
            with Image.open(opened(name)) as file:
                mode, pixels = file.mode, to_pixels(file, channels, side)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
            raise SeqmatchError(f"{name}: not an image that can be read ({error}); repair or remove it") from None
        if mode != MODES[channels]:
            converted[mode] += 1
        if images is None:
            images = torch.empty(len(names), *pixels.shape, dtype=torch.uint8)
        if pixels.shape != images.shape[1:]:
            first, this = (f"{width}×{height}" for _, height, width in (images.shape[1:], pixels.shape))
            raise SeqmatchError(f"{name}: {this} pixels, but {names[0]} has {first}; `image_size` makes all alike")
        images[index] = torch.from_numpy(pixels)
    for mode, count in sorted(converted.items()):
        print(f"note: {count} images of mode {mode} were converted to {MODES[channels]}", file=sys.stderr)
    return images


def to_pixels(image: Image.Image, channels: int, side: int | None) -> np.ndarray:
    """uint8 (channels, H, W); with `side`, the short side resized to it and the middle kept."""
    image = image.convert(MODES[channels])
    if side is not None and image.size != (side, side):
        image = ImageOps.fit(image, (side, side), SAMPLING)
    return np.array(image).reshape(image.height, image.width, channels).transpose(2, 0, 1)


def resized(raw: RawImages, side: int | None) -> RawImages:
    """The same images with `side` × `side` pixels; None: as they are."""
    channels, height, width = raw.images.shape[1:]
    if side is None or (height, width) == (side, side):
        return raw
    smaller = torch.empty(len(raw.images), channels, side, side, dtype=torch.uint8)
    for index, image in enumerate(raw.images):
        pixels = image.permute(1, 2, 0).squeeze(2).numpy()
        smaller[index] = torch.from_numpy(to_pixels(Image.fromarray(pixels), channels, side))
    return RawImages(smaller, raw.labels, raw.class_names, raw.test)
