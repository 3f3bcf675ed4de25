"""Image files of every mode that Pillow writes, and of those that it only reads; mangled ones; against formulas."""

import colorsys
import io
import struct
import zlib
from functools import cache

import numpy as np
import pytest
from helpers.archives import noise
from PIL import Image

from seqmatch.data import images
from seqmatch.data.images import Shape, decoded, read_images
from seqmatch.errors import SeqmatchError

SIDE = 8
RAMP = np.arange(0, 256, 4, dtype=np.uint8).reshape(SIDE, SIDE)
COLOURS = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=2)
ALPHA = np.roll(RAMP, 3)


def read(content, channels=3, **shape):
    """One image (H, W, channels), and what is said of it; `content` may be a Pillow image and a format."""
    if isinstance(content, tuple):
        content = saved(*content)
    pixels, notes = read_images(["x.any"], lambda name: io.BytesIO(content), Shape(channels, **shape), "test")
    return pixels[0].permute(1, 2, 0).numpy(), notes


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grey(values):
    return np.repeat(np.asarray(values)[:, :, None], 3, axis=2)


def on_white(colours, alpha):
    share = alpha[:, :, None] / 255
    return colours * share + 255 * (1 - share)


def by_pixel(function, pixels):
    return np.array([[function(*map(int, pixel)) for pixel in row] for row in pixels], dtype=float)


def from_ycbcr(y, cb, cr):
    return np.clip(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)], 0, 255
    )


def from_hsv(h, s, v):
    return [255 * part for part in colorsys.hsv_to_rgb(h / 255, s / 255, v / 255)]


def of_bytes(mode, pixels):
    return Image.frombytes(mode, (SIDE, SIDE), np.ascontiguousarray(pixels).tobytes())


def palette(transparency=None):
    image = of_bytes("P", RAMP // 4)
    image.putpalette(COLOURS.reshape(-1, 3)[::-1].tobytes())
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


PALETTE = COLOURS.reshape(-1, 3)[::-1].reshape(SIDE, SIDE, 3)
SIXTEEN = RAMP.astype(np.uint16) * 257 + 100
TOGETHER = np.dstack([COLOURS, ALPHA])

MODES = {
    "1": (of_bytes("L", RAMP).convert("1", dither=0), grey(np.where(RAMP > 127, 255, 0)), "1 L RGB"),
    "L": (of_bytes("L", RAMP), grey(RAMP), "L P RGB"),
    "LA": (of_bytes("LA", np.dstack([RAMP, ALPHA])), on_white(grey(RAMP), ALPHA), "LA RGBA"),
    "P": (palette(), PALETTE, "P RGB"),
    "P, one transparent": (palette(9), np.where((RAMP == 36)[:, :, None], 255, PALETTE), "P RGBA"),
    "P, transparency": (palette(ALPHA.tobytes()), on_white(PALETTE, ALPHA), "P RGBA"),
    "PA": (palette().convert("PA"), PALETTE, "PA RGBA"),
    "RGB": (of_bytes("RGB", COLOURS), COLOURS, "RGB"),
    "RGBA": (of_bytes("RGBA", TOGETHER), on_white(COLOURS, ALPHA), "RGBA"),
    "RGBa": (of_bytes("RGBA", TOGETHER).convert("RGBa"), on_white(COLOURS, ALPHA), "RGBA"),
    "RGBX": (of_bytes("RGBX", TOGETHER), COLOURS, "RGB"),
    "CMYK": (
        of_bytes("CMYK", TOGETHER), (255.0 - COLOURS) * (255.0 - ALPHA[:, :, None]) / 255, "CMYK RGB"
    ),
    "YCbCr": (of_bytes("YCbCr", COLOURS), by_pixel(from_ycbcr, COLOURS), "YCbCr RGB"),
    "HSV": (of_bytes("HSV", COLOURS), by_pixel(from_hsv, COLOURS), "RGB"),
    "I;16": (of_bytes("I;16", SIXTEEN.astype("<u2")), grey(SIXTEEN / 257), "I;16 I"),
    "I;16L": (of_bytes("I;16L", SIXTEEN.astype("<u2")), grey(SIXTEEN / 257), "I;16 I"),
    "I;16B": (of_bytes("I;16B", SIXTEEN.astype(">u2")), grey(SIXTEEN / 257), "I;16 I;16B I"),
    "I": (of_bytes("I", SIXTEEN.astype("<i4")), grey(SIXTEEN / 257), "I"),
    "F": (of_bytes("F", RAMP.astype("<f4")), None, "F"),
    "LAB": (of_bytes("LAB", COLOURS), None, "LAB"),
    "La": (of_bytes("La", np.dstack([RAMP, ALPHA])), None, "La"),
}  # fmt: skip
"""An image of each mode, its colours on white if there is one right answer, and modes that keep them when read."""

LOSSLESS = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100, "subsampling": 0}}
SAVED = ("PNG", "TIFF", "GIF", "WEBP", "BMP", "PPM", "JPEG")


def files():
    """Every mode in every format that keeps what is in it: (name, content, expected)."""
    for mode, (image, expected, kept) in MODES.items():
        for form in SAVED:
            try:
                content = saved(image, form, **LOSSLESS.get(form, {}))
            except (OSError, KeyError, ValueError, TypeError):
                continue  # Pillow does not write it
            with Image.open(io.BytesIO(content)) as again:
                if again.mode in kept.split() and again.has_transparency_data == image.has_transparency_data:
                    yield pytest.param(form, content, expected, id=f"{mode}-{form}")


@pytest.mark.parametrize(("form", "content", "expected"), list(files()))
def test_every_mode_that_pillow_writes(form, content, expected):
    """As a formula has it, in all formats; or refused by name, where no number is black and white for all."""
    unclear = expected is None or (form == "TIFF" and Image.open(io.BytesIO(content)).mode == "I")
    if unclear:
        with pytest.raises(SeqmatchError, match=r"x\.any: not an image that can be read \(mode"):
            read(content)
        return
    apart = np.abs(read(content)[0] - expected.astype(float))
    assert apart.max() <= (8 if form == "JPEG" else 2)
    grey_apart = np.abs(read(content, channels=1)[0][:, :, 0] - expected @ [0.299, 0.587, 0.114])
    assert grey_apart.max() <= (8 if form == "JPEG" else 2)


def test_there_are_many_of_them():
    assert len(list(files())) > 50


# What Pillow reads and does not write.


def png(depth, kind, rows, extra=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    width = 8 * len(rows[0]) // depth // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + data + chunk(b"IEND", b"")


def tiff(bits, data, photometric=1, form=1, samples=1, **more):
    """8×8 pixels, uncompressed; `more` has tags of pairs, or of longer lists, which come before the data."""
    tags = {
        256: 8,
        257: 8,
        258: bits,
        259: 1,
        262: photometric,
        273: 0,
        277: samples,
        278: 8,
        279: len(data),
        339: form,
    }
    tags |= {int(tag[1:]): values for tag, values in more.items()}
    place = 14 + 12 * len(tags)
    body, lists = b"", b""
    for tag, values in sorted(tags.items()):
        values = values if isinstance(values, tuple) else (values,)
        packed = struct.pack(f"<{len(values)}H", *values)
        if len(packed) > 4:
            lists, packed = lists + packed, struct.pack("<I", place + len(lists))
        body += struct.pack("<HHI4s", tag, 3, len(values), packed)
    data_at = struct.pack("<H", place + len(lists))
    body = body.replace(struct.pack("<HHI4s", 273, 3, 1, b""), struct.pack("<HHI4s", 273, 3, 1, data_at))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", 0) + lists + data


def cmyk_without_marker():
    content = saved(MODES["CMYK"][0], "JPEG")
    start = content.index(b"\xff\xee")
    return content[:start] + content[start + 2 + struct.unpack(">H", content[start + 2 : start + 4])[0] :]


def gif_whose_frame_is_smaller():
    content = bytearray(saved(of_bytes("L", RAMP), "GIF"))
    content[6:10] = struct.pack("<HH", 16, 16)
    return bytes(content)


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits(kind, channels):
    values = (np.arange(SIDE * SIDE * channels) * (65535 / (SIDE * SIDE * channels - 1))).round().astype(np.uint16)
    values = values.reshape(SIDE, SIDE, channels)
    rows = [row.astype(">u2").tobytes() for row in values]
    colours = grey(values[:, :, 0] / 257) if channels < 3 else values[:, :, :3] / 257
    expected = on_white(colours, values[:, :, -1] / 257) if channels in (2, 4) else colours
    assert np.abs(read(png(16, kind, rows))[0] - expected).max() < 2


def test_grey_tiff_of_12_and_16_bits_and_with_white_as_zero():
    values = np.linspace(0, 4095, 64).round().astype(int)
    packed = int("".join(f"{value:012b}" for value in values), 2).to_bytes(96, "big")
    assert np.abs(read(tiff(12, packed))[0][:, :, 0].ravel() - values / 4095 * 255).max() <= 0.5
    assert (read(tiff(16, SIXTEEN.astype("<u2").tobytes()))[0][:, :, 0] == (SIXTEEN / 257).round()).all()
    assert (read(tiff(8, RAMP.tobytes(), photometric=0))[0][:, :, 0] == 255 - RAMP).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff(16, SIXTEEN.tobytes(), photometric=0), "white is zero"),
        (tiff(8, RAMP.tobytes(), form=2), "have signs"),
        (tiff(16, SIXTEEN.tobytes(), form=2), "mode I has no"),
        (tiff(32, RAMP.astype("<u4").tobytes()), "mode I has no"),
        (tiff(32, RAMP.astype("<f4").tobytes(), form=3), "mode F has no"),
        (tiff((8, 8, 8), bytes(400), photometric=6, samples=3, _530=(2, 2)), "more coarsely than its grey"),
        (tiff(8, RAMP.tobytes(), photometric=3, _320=tuple(range(256)) * 3), "its palette has 8 bits"),
        (cmyk_without_marker(), "whether its inks are inverted"),
        (gif_whose_frame_is_smaller(), "its first frame leaves"),
        (saved(of_bytes("RGBA", TOGETHER * np.uint8([1, 1, 1, 0])), "PNG"), "transparent everywhere"),
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull`"),
        (b"<!DOCTYPE html>", "none of JPEG, PNG"),
        (b"Pf\n8 8\n-1.0\n" + RAMP.astype("<f4").tobytes(), "mode F has no"),
        (png(16, 0, [row.tobytes() for row in SIXTEEN.astype(">u2")], b""), None),
        (
            png(16, 0, [row.tobytes() for row in SIXTEEN.astype(">u2")], bytes.fromhex("0000000274524e530064") +
                struct.pack(">I", zlib.crc32(b"tRNS\0\x64"))),
            "transparent colour",
        ),
    ],
)  # fmt: skip
def test_what_pillow_gets_wrong_or_cannot_read_is_refused(content, said):
    if said is None:
        assert read(content)[0].shape == (8, 8, 3)
        return
    with pytest.raises(SeqmatchError, match=rf"x\.any.*{said}"):
        read(content)


def test_pgm_of_more_than_8_bits():
    values = np.linspace(0, 1000, 64).round().astype(">u2")
    content = b"P5 8 8 1000\n" + values.tobytes()
    assert np.abs(read(content)[0][:, :, 0].ravel() - values / 1000 * 255).max() <= 1


# Orientation, frames, transparency, profiles: what is done is counted.


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_exif_says(form, orientation):
    upright = np.zeros((16, 24, 3), dtype=np.uint8)
    upright[:8, :8], upright[8:, 16:] = (250, 0, 0), (0, 0, 250)
    stored = {  # what a camera held so writes: the inverse of what brings it upright
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(stored)), form, exif=exif, **LOSSLESS.get(form, {}))
    image, changes = decoded("x", lambda name: io.BytesIO(content), "RGB")
    assert np.abs(np.asarray(image).astype(int) - upright).max() <= 10
    assert changes == (["turned as their EXIF says"] if orientation > 1 and form != "TIFF" else [])


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"nothing", b"Exif\0\0MM\0*\0\0\0\x08\xff"]
)
def test_exif_that_lies_is_no_matter(exif):
    content = saved(Image.fromarray(COLOURS), "JPEG", quality=100, subsampling=0, exif=exif)
    assert np.abs(read(content)[0].astype(int) - COLOURS).max() <= 8


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_is_taken_and_counted(form):
    frames = [Image.fromarray(grey(RAMP)), Image.fromarray(grey(255 - RAMP))]
    content = saved(frames[0], form, save_all=True, append_images=frames[1:], **LOSSLESS.get(form, {}))
    pixels, notes = read(content)
    assert (pixels == grey(RAMP)).all()
    assert "1 of several frames, the first taken" in notes


def test_a_colour_profile_is_counted():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels, notes = read(saved(Image.fromarray(COLOURS), "PNG", icc_profile=profile))
    assert (pixels == COLOURS).all() and notes == ["1 with a colour profile, not applied"]


def test_images_are_cropped_or_squashed():
    wide = np.zeros((16, 48, 3), dtype=np.uint8)
    wide[:, 24:] = 240
    content = saved(Image.fromarray(wide), "PNG")
    cropped, squashed = (read(content, side=16, fit=fit)[0] for fit in ("crop", "squash"))
    assert (cropped == wide[:, 16:32]).all()
    assert (squashed[:, :7] == 0).all() and (squashed[:, 9:] == 240).all()


def test_sizes_that_no_network_takes_are_refused_by_the_first_image():
    opened = []

    def content(name):
        opened.append(name)
        return io.BytesIO(saved(Image.fromarray(noise(200, 300, 3)), "PNG"))

    with pytest.raises(SeqmatchError, match=r"a: 300×200 pixels; networks take square.*set `image_size`"):
        read_images(["a", "b"], content, Shape(3), "test")
    assert opened == ["a"]


# Files that mean harm, and broken ones.


def test_an_image_too_large_for_memory_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # below: Pillow's own error; between it and its half: a warning
    for side in (8, 11):
        content = saved(Image.fromarray(noise(side, side)), "PNG")
        with pytest.raises(SeqmatchError, match=r"x\.any: .*decompression bomb"):
            read(content)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n",
        b"8BPS\0\x01" + bytes(100),
        b"SIMPLE  =                    T" + bytes(3000),
        b"\xd7\xcd\xc6\x9a" + bytes(100),
        saved(Image.fromarray(COLOURS), "TGA"),
        saved(Image.fromarray(COLOURS), "JPEG2000"),
    ],
    ids=["EPS", "PSD", "FITS", "WMF", "TGA", "JPEG2000"],
)
def test_content_does_not_choose_any_decoder(content):
    with pytest.raises(SeqmatchError, match=r"x\.any: not an image that can be read"):
        read(content)


@cache
def whole_files():
    return [param.values[1] for param in files()]


def mangled(draw):
    """One file after another that is cut, has bits flipped, another head, something in its middle, or is no image."""
    whole = whole_files()
    for number in range(900):
        content = bytearray(whole[number % len(whole)])
        place = int(draw.integers(len(content)))
        way = ("cut", "flip", "head", "hole", "insert", "tail", "noise")[number % 7]
        if way == "cut":
            del content[place:]
        elif way == "flip":
            for where in draw.integers(len(content), size=1 + number % 5):
                content[where] ^= 1 << int(draw.integers(8))
        elif way == "head":
            content[:12] = whole[int(draw.integers(len(whole)))][:12]
        elif way == "hole":
            content[place : place + 16] = bytes(16)
        elif way == "insert":
            content[place:place] = draw.bytes(7)
        elif way == "tail":
            content[place:] = draw.bytes(len(content) - place)
        else:
            content = bytearray(draw.bytes(place))
        yield way, whole[number % len(whole)], bytes(content)


def test_mangled_files_are_images_or_errors_that_name_them():
    """A file that was cut is refused, or its image is whole: nothing is filled in without a word."""
    outcomes = {"read": 0, "refused": 0}
    for way, whole, content in mangled(np.random.default_rng(16)):
        try:
            pixels = outcome(content)
        except SeqmatchError as error:
            assert str(error).startswith("x.any: ")
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert pixels.shape == (3, SIDE, SIDE) and pixels.dtype == np.uint8
        if way == "cut":
            assert (pixels == outcome(whole)).all()
    assert sum(outcomes.values()) == 900 and min(outcomes.values()) > 100


def outcome(content):
    with images._pillow():
        image, _ = decoded("x.any", lambda name: io.BytesIO(content), "RGB")
    return images.to_pixels(image, Shape(3, SIDE))
