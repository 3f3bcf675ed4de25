"""From image files of any kind to one tensor of equal, square images."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from seqmatch.config.catalog import LARGEST_SIDE, SMALLEST_SIDE
from seqmatch.data.listing import FORMATS
from seqmatch.errors import SeqmatchError
from seqmatch.runtime.progress import Progress

MODES = {1: "L", 3: "RGB"}
"""Pillow's name for images of so many channels."""

SAMPLING = Image.Resampling.BILINEAR
"""Averages over all the pixels that a smaller image's pixel covers."""

TURNS = dict(enumerate((
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
), start=2))  # fmt: skip
"""By EXIF's number, what brings an image upright. (`ImageOps.exif_transpose` also writes EXIF anew, which can fail.)"""

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLES_PER_PIXEL, PALETTE, SAMPLE_FORMAT, SUBSAMPLING = 258, 262, 277, 320, 339, 530
"""Tags of a TIFF file."""


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
    notes: tuple[str, ...] = ()
    """What was converted, and what was skipped, in words."""


@dataclass(frozen=True)
class Shape:
    """What images are brought to."""

    channels: int
    side: int | None = None
    """Pixels; None: as the images are."""
    fit: Literal["crop", "squash"] = "crop"
    """How they become square."""


def read_images(
    names: Sequence[str], opened: Callable[[str], BinaryIO], shape: Shape, what: str
) -> tuple[Tensor, list[str]]:
    """Decode image files to uint8 (N, channels, side, side); also what was converted, and how often, in words.

    Args:
        names: names of the files, for `opened` and for messages.
        opened: the binary file of a name.
        what: what is read, for the progress bar.

    Raises:
        SeqmatchError: names the file that is no image, cannot be converted rightly, or whose size does not fit.
        OSError: a file may not be read.
    """
    images, changes = None, Counter()
    with _pillow():
        for index, name in enumerate(Progress(names, desc=what, unit="image")):
            image, changed = decoded(name, opened, MODES[shape.channels])
            changes.update(changed)
            pixels = to_pixels(image, shape)
            if images is None:
                _check_sides(name, pixels)
                images = np.empty((len(names), *pixels.shape), dtype=np.uint8)
            if pixels.shape != images.shape[1:]:
                first, this = (f"{width}×{height}" for _, height, width in (images.shape[1:], pixels.shape))
                raise SeqmatchError(f"{name}: {this} pixels, but {names[0]} has {first}; `image_size` makes all alike")
            images[index] = pixels
    return torch.from_numpy(images), [f"{count} {change}" for change, count in sorted(changes.items())]


def to_pixels(image: Image.Image, shape: Shape) -> np.ndarray:
    """uint8 (channels, H, W) of an image of 8 bits, grey or in colour."""
    if image.mode != MODES[shape.channels]:
        image = image.convert(MODES[shape.channels])
    size = (shape.side, shape.side)
    if shape.side is not None and image.size != size:
        crop = shape.fit == "crop"
        image = ImageOps.fit(image, size, SAMPLING) if crop else image.resize(size, SAMPLING)
    return np.asarray(image).reshape(image.height, image.width, shape.channels).transpose(2, 0, 1)


def resized(raw: RawImages, side: int | None) -> RawImages:
    """The same square images with `side` × `side` pixels; None: as they are."""
    channels, height, width = raw.images.shape[1:]
    if side is None or (height, width) == (side, side):
        return raw
    smaller = np.empty((len(raw.images), channels, side, side), dtype=np.uint8)
    for index, image in enumerate(raw.images):
        pixels = image.permute(1, 2, 0).squeeze(2).numpy()
        smaller[index] = to_pixels(Image.fromarray(pixels), Shape(channels, side))
    return replace(raw, images=torch.from_numpy(smaller))


@contextmanager
def _pillow() -> Iterator[None]:
    """Pillow's warnings, which name no file: an image too large is an error, damaged metadata are no matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decoded(name: str, opened: Callable[[str], BinaryIO], mode: str) -> tuple[Image.Image, list[str]]:
    """An image of 8 bits, upright and opaque, and what was done with it beside decoding, to become one of `mode`.

    Raises:
        SeqmatchError: names the file that is no image, or none that can be converted rightly.
        OSError: it may not be read.
    """
    with opened(name) as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                several, reason = getattr(image, "is_animated", False), _unclear(image)
                image.load()
                turn, damaged = _turn(image)
                changed = [
                    *([f"of mode {_kind(image)} converted to {mode}"] if _kind(image) != mode else []),
                    *(["of several frames, the first taken"] if several else []),
                    *(["turned as their EXIF says"] if turn is not None else []),
                    *(["with EXIF that cannot be read"] if damaged else []),
                    *(["with transparency, put on white"] if image.has_transparency_data else []),
                    *(["with a colour profile, not applied"] if "icc_profile" in image.info else []),
                ]
                if reason:
                    raise ValueError(reason)
                plain = _on_white(_eight_bits(image))
                return plain if turn is None else plain.transpose(turn), changed
        except MemoryError:
            raise MemoryError(f"decoding {name}") from None
        except Exception as error:  # decoders of mangled files raise errors of every class
            if isinstance(error, OSError) and error.errno is not None:  # of the system, not of the content
                raise SeqmatchError(f"{name}: cannot be read: {error}") from None
            said = str(error).replace(repr(file), "it") or type(error).__name__
            if isinstance(error, UnidentifiedImageError):
                said = _in_place_of_an_image(file)
            raise SeqmatchError(f"{name}: not an image that can be read ({said}); repair or remove it") from None


def _in_place_of_an_image(file: BinaryIO) -> str:
    """What a file has in which no decoder finds an image."""
    file.seek(0)
    beginning = file.read(64)
    if not beginning:
        return "it is empty"
    if beginning.startswith((b"version https://git-lfs", b"/annex/objects")):
        return "it stands for one that is not here: `git lfs pull`, or `git annex get`, gets that"
    return f"its content is none of {', '.join(FORMATS)} as they are read here"


def _kind(image: Image.Image) -> str:
    """The mode, and how many channels a TIFF file has beyond those."""
    samples = getattr(image, "tag_v2", {}).get(SAMPLES_PER_PIXEL, 1)
    return image.mode if samples <= len(image.getbands()) else f"{image.mode} and other channels"


def _unclear(image: Image.Image) -> str:
    """Why no one can tell what the numbers of an image that was just opened mean, or Pillow gets them wrong."""
    tags, coding = getattr(image, "tag_v2", {}), image.tile[0].args if image.tile else None
    if image.mode in ("F", "LAB", "La") or (image.mode == "I" and image.format != "PPM"):
        return f"mode {image.mode} has no black and white that all agree on; save it as grey or colour of 8 or 16 bits"
    if any(form != 1 for form in tags.get(SAMPLE_FORMAT, ())):
        return "its numbers have signs; save it as grey or colour of 8 or 16 bits"
    if image.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == 0:
        return "its white is zero; save it as grey of 8 or 16 bits with black as zero"
    if "transparency" in image.info and image.mode != "P" and ";" in str(coding):
        return "a transparent colour of other than 8 bits; save it with 8 bits, or with an alpha channel"
    if image.mode == "YCbCr" and tags.get(SUBSAMPLING, (1, 1)) != (1, 1):
        return "its colours are stored more coarsely than its grey; save it as RGB"
    if 0 < max(tags.get(PALETTE, (0,))) < 256:
        return "its palette has 8 bits where a TIFF file's has 16; save it anew"
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        return "no one can tell whether its inks are inverted; save it as RGB"
    if image.format == "GIF" and image.tile and image.tile[0].extents != (0, 0, *image.size):
        return "its first frame leaves parts of it open; save it anew"
    return ""


def _turn(image: Image.Image) -> tuple[Image.Transpose | None, bool]:
    """What brings an image upright, and whether its EXIF data are damaged."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation)), False
    except Exception:  # whatever a reader of mangled data may raise
        return None, True


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (or 12, in TIFF files) scaled to 8, black to black and white to white; others as they are."""
    if not image.mode.startswith("I"):
        return image
    (bits,) = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
    white = 2**bits - 1
    levels = (np.arange(white + 1) * 255 + white // 2) // white
    return Image.fromarray(levels.astype(np.uint8)[np.asarray(image)])


def _on_white(image: Image.Image) -> Image.Image:
    """As grey or colour; what is transparent shows white behind it."""
    if image.mode in MODES.values() and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("L" if image.mode == "1" else "RGB")
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (0, 0):
        raise ValueError("transparent everywhere, so that nothing is seen")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _check_sides(name: str, pixels: np.ndarray) -> None:
    """Whether networks take images of this size; by the first one, before others are read."""
    _, height, width = pixels.shape
    if height != width or not SMALLEST_SIDE <= height <= LARGEST_SIDE:
        raise SeqmatchError(
            f"{name}: {width}×{height} pixels; networks take square images of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels "
            "a side: set `image_size`"
        )
