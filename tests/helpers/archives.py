"""Miniature files in published formats."""

import io
import zipfile

import numpy as np
from PIL import Image

from seqmatch.data import tiny_imagenet


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array):
    """The format of MNIST's files."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def encoded(pixels, form="JPEG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def tiny_zip(path, change=lambda files: None):
    root = tiny_imagenet.ROOT
    files = {
        f"{root}/wnids.txt": b"n02\nn01\n",
        f"{root}/words.txt": b"n01\tgoldfish, Carassius\nn02\tfire salamander\nn03\tunused\n",
        f"{root}/val/val_annotations.txt": b"val_0.JPEG\tn01\t0\t0\t1\t1\nval_1.JPEG\tn02\t0\t0\t1\t1\n",
        f"{root}/test/images/test_0.JPEG": encoded(noise(64, 64, 3)),
    }
    for wnid in ("n01", "n02"):
        for index in range(2):
            files[f"{root}/train/{wnid}/images/{wnid}_{index}.JPEG"] = encoded(noise(64, 64, 3, seed=index))
        files[f"{root}/train/{wnid}/{wnid}_boxes.txt"] = b""
    files[f"{root}/val/images/val_0.JPEG"] = encoded(noise(64, 64))  # some of them are grey
    files[f"{root}/val/images/val_1.JPEG"] = encoded(noise(64, 64, 3))
    change(files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
