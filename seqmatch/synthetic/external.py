"""Synthetic images of other programs, as the tensors that these publish.

Known layouts, each of files that `torch.save` wrote:

- a folder with `images_best.pt`, `labels_best.pt` (trajectory matching: MTT, FTD, TESLA, DATM), with `lr_best.pt` where
  the step size is learned; or `images.pt`, `labels.pt`, `lr.pt` (DD-Ranking), or the same with a number of iterations;
- one file `res_….pt` with a dictionary, whose `data` has images and labels of each experiment (DC, DSA, DM);
- one file with a dictionary of `images` and `labels`, and of `lr` where there is one.

They are read by PyTorch's loader for tensors alone: a file that would run code is refused.
"""

import numbers
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqmatch import config
from seqmatch.data.arrays import tensor_of
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import Standardization
from seqmatch.errors import SeqmatchError, in_short
from seqmatch.synthetic.parameterisations import Parameterisation, parameterisation_of
from seqmatch.synthetic.subset import Subset

BESIDE = {"labels": ("labels{}.pt",), "step_size": ("lr{}.pt", "syn_lr{}.pt", "synlr{}.pt")}
"""Names of the files beside `images{}.pt`."""

STEP_SIZES = ("step_size", "lr", "syn_lr")
"""Names of it in a dictionary."""

_SCALAR = np.float32().__reduce__()[0]
"""What NumPy, in all its versions, unpickles a number with."""

PLAIN = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
]
"""Numbers of NumPy, which stand beside the tensors of DC, DSA and DM, as accuracies."""

OUTSIDE = 0.5
"""How far distilled pixels may leave [0, 1] before they look like something else."""

SUM, BELOW = 0.05, 1e-3
"""How far the shares of an image's classes may be from one together, and one of them below 0, by rounding."""


@dataclass(frozen=True)
class Tensors:
    """What a program published."""

    images: Tensor
    """(n, C, H, W): uint8 or floating point, in whichever space."""
    labels: Tensor
    """int64 (n,), or float32 (n, classes): shares of classes."""
    step_size: float | None
    """Learned with the images, if it was."""


def read(
    images: str | Path,
    labels: str | Path | None = None,
    step_size: str | Path | float | None = None,
    experiment: int = 0,
) -> Tensors:
    """The tensors in files of another program.

    Args:
        images: a folder, or the file of the images, or a file with all.
        labels: their file; by default that beside the images which is named like them.
        step_size: a number, or its file; by default that beside the images, if it is there.
        experiment: which one, in a file of several.

    Raises:
        SeqmatchError: a file is missing, holds something else, or would run code; it is named.
    """
    path = _images_in(Path(images)) if Path(images).is_dir() else Path(images)
    beside = _beside(path)
    return read_files(
        path,
        None if labels is None else Path(labels),
        beside.get("step_size") if step_size is None else step_size,
        experiment,
        beside.get("labels"),
    )


def read_files(
    images: Path,
    labels: Path | None,
    step_size: str | Path | float | None,
    experiment: int = 0,
    beside: Path | None = None,
) -> Tensors:
    """The same of files that are named, and of labels that lie beside the images unless these have their own.

    Raises:
        SeqmatchError: as `read`, or a file or an experiment is named that the images have no use for.
    """
    found = _load(images)
    several = isinstance(found, dict) and not {"images", "labels"} <= found.keys()
    if experiment and not several:
        raise SeqmatchError(f"{images}: not of several experiments; there is no experiment {experiment}")
    if isinstance(found, dict):
        if labels is not None:
            raise SeqmatchError(f"{images}: has labels of its own; leave out {labels}")
        if step_size is None:
            step_size = next((_number(images, found[name]) for name in STEP_SIZES if name in found), None)
        found, labels = _of_experiment(images, found, experiment), images
    elif labels := labels or beside:
        found = found, _load(labels)
    else:
        raise SeqmatchError(f"{images}: there are no labels with it; name their file")
    if isinstance(step_size, str | Path):
        step_size = _number(Path(step_size), _load(Path(step_size)))
    return tensors(*found, step_size, str(images), str(labels))


def take(files: Sequence[Path], matching: config.External, dataset: Dataset, size: int) -> tuple[Subset, str]:
    """A subset of another program for a data set, normalised as that is, and what speaks against its space, in words.

    Args:
        files: of the images, then of labels and step size where `matching` names files of theirs.
        size: images per class that it has.

    Raises:
        SeqmatchError: as `read`, or it does not fit the data set; names the file.
    """
    path, *further = files
    labels = further.pop(0) if matching.labels else None
    step_size = further.pop(0) if isinstance(matching.step_size, str) else matching.step_size
    found = read_files(path, labels, step_size, matching.experiment)
    stored = parameterisation_of(matching)
    subset = _subset(path, found, matching, dataset, stored)
    counts = subset.labels.bincount(minlength=dataset.classes)
    even = found.labels.is_floating_point() or bool((counts == size).all())
    if len(subset.labels) != size * dataset.classes or not even:
        raise SeqmatchError(
            f"{path}: expected {size} images of each of {dataset.classes} classes, found {len(subset.labels)} images, "
            f"{int(counts.min())} to {int(counts.max())} of a class; set `ipc`, or give the stages their sizes"
        )
    return subset, doubt(found.images, matching.space, str(path))


def _subset(
    path: Path, found: Tensors, matching: config.External, dataset: Dataset, stored: Parameterisation
) -> Subset:
    """Images in the space of the data set, class after class."""
    stored.check(path, found.images[:1].float(), {}, dataset.dimensions)
    soft = found.labels.is_floating_point()
    labels = found.labels.argmax(1) if soft else found.labels
    if (soft and found.labels.shape[1] != dataset.classes) or int(labels.max()) >= dataset.classes:
        classes = found.labels.shape[1] if soft else int(labels.max()) + 1
        raise SeqmatchError(f"{path}: labels of {classes} classes; the data set has {dataset.classes}")
    if soft and stored.held > 1:
        raise SeqmatchError(f"{path}: soft labels of images that hold several are not known how to read")
    images = found.images
    if matching.mean is not None:
        if len(matching.mean) != images.shape[1]:
            raise SeqmatchError(f"{path}: images of {images.shape[1]} channels, but `mean` has {len(matching.mean)}")
        images = Standardization(torch.tensor(matching.mean), torch.tensor(matching.std)).invert(images)
    if matching.space == "pixels" or matching.mean is not None:
        images = dataset.normalization.apply(images)
    order = labels.argsort(stable=True)
    shares = found.labels[order] if soft else None
    return Subset(images[order], labels[order], found.step_size, stored, soft_labels=shares)


def tensors(
    images: Any, labels: Any, step_size: float | None, images_named: str = "images", labels_named: str = "labels"
) -> Tensors:
    """Images and labels in the one form of `Tensors`.

    Soft labels whose numbers are no shares are logits, as DATM publishes: their softmax is taken.

    Raises:
        SeqmatchError: they have not the type, shape or range.
    """
    images, labels = (tensor_of(*given).cpu() for given in ((images, images_named), (labels, labels_named)))
    if images.dim() != 4 or not images.numel() or images.shape[1] not in (1, 3):
        raise SeqmatchError(f"{images_named}: expected images (n, 1 or 3, height, width), found {tuple(images.shape)}")
    if images.dtype != torch.uint8:
        images = _finite(images, images_named).float()
    if labels.dim() == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if len(labels) != len(images) or labels.dim() not in (1, 2):
        raise SeqmatchError(
            f"{labels_named}: expected ({len(images)},) or ({len(images)}, classes), as there are images, found "
            f"{tuple(labels.shape)}"
        )
    labels = (
        _shares(_finite(labels, labels_named), labels_named) if labels.dim() == 2 else _classes(labels, labels_named)
    )
    if isinstance(step_size, Tensor | np.ndarray) and np.prod(step_size.shape) == 1:
        step_size = step_size.item()
    if step_size is not None and not (isinstance(step_size, numbers.Real) and 0 < step_size < np.inf):
        raise SeqmatchError(f"step size {step_size!r}: expected a number above 0")
    return Tensors(images, labels, step_size)


def doubt(images: Tensor, space: str, named: str = "images") -> str:
    """What speaks against images being in a space, in words; empty if nothing does.

    Raises:
        SeqmatchError: they are uint8, but said to be normalised.
    """
    if not images.is_floating_point():
        if space == "normalized":
            raise SeqmatchError(f"{named}: uint8 images are pixels: space = pixels")
        return ""
    low, high = float(images.min()), float(images.max())
    found = f"images from {low:.3g} to {high:.3g}"
    if space == "normalized":
        divided = "" if high <= 1 else ", divided so that they lie in 0 to 1"
        return f"{found}: none is below 0; are these pixels (space = pixels{divided})?" if low >= 0 else ""
    if low >= 0 and high > 2:
        return f"{found}: pixels are expected in 0 to 1; are these in 0 to 255? Divide them"
    if low < -OUTSIDE or high > 1 + OUTSIDE:
        return f"{found}: pixels are expected in 0 to 1; are these normalised (space = normalized)?"
    return ""


def _finite(values: Tensor, named: str) -> Tensor:
    values = values.float() if not values.is_floating_point() else values
    if not values.isfinite().all():
        raise SeqmatchError(f"{named}: expected finite numbers")
    return values


def _shares(labels: Tensor, named: str) -> Tensor:
    """Shares of classes, an image's one together; of logits their softmax.

    Raises:
        SeqmatchError: they may be either.
    """
    labels = labels.float()
    sums = labels.sum(1, keepdim=True)
    if labels.min() >= -BELOW and (sums - 1).abs().max() <= SUM:
        shares = labels.clamp_min(0)
        return shares / shares.sum(1, keepdim=True)
    if labels.min() >= -BELOW and labels.max() <= 1:
        raise SeqmatchError(
            f"{named}: all lie in 0 to 1, as shares of classes do, but an image's are {float(sums.min()):.3g} to "
            f"{float(sums.max()):.3g} together: expected 1; divide shares by their sum; of logits take the softmax"
        )
    return labels.softmax(1)


def _classes(labels: Tensor, named: str) -> Tensor:
    whole = labels.long()
    if not torch.equal(whole.to(labels.dtype), labels) or int(whole.min()) < 0:
        raise SeqmatchError(f"{named}: expected classes, whole numbers from 0")
    return whole


def _number(path: Path, value: Any) -> float:
    if isinstance(value, float):
        return value
    found = tensor_of(value, str(path))
    if found.numel() != 1:
        several = found.dim() == 1 and (path.parent / "set.safetensors").is_file()
        hint = f", one of each subset: seqmatch.load reads such a set ({path.parent})" if several else ""
        raise SeqmatchError(f"{path}: expected one number, a step size, found {tuple(found.shape)}{hint}")
    return float(found)


def _images_in(folder: Path) -> Path:
    """The file of the images in a folder: the best ones, or the only ones."""
    for name in ("images_best.pt", "images.pt"):
        if (folder / name).is_file():
            return folder / name
    found = sorted([*folder.glob("images_[0-9]*.pt"), *folder.glob("res_*.pt")])
    if len(found) != 1:
        names = f": {', '.join(path.name for path in found[:9])}" if found else ""
        raise SeqmatchError(
            f"{folder}: expected images_best.pt or images.pt, or one images_….pt or res_….pt; found {len(found)} of "
            f"the last{names}; name the file"
        )
    return found[0]


def _beside(images: Path) -> dict[str, Path]:
    """Files of labels and step size that are named like that of the images."""
    if not images.name.startswith("images"):
        return {}
    end = images.stem.removeprefix("images")
    candidates = {what: [images.with_name(name.format(end)) for name in names] for what, names in BESIDE.items()}
    found = ((what, next(filter(Path.is_file, paths), None)) for what, paths in candidates.items())
    return {what: path for what, path in found if path}


def _of_experiment(path: Path, found: dict[str, Any], experiment: int) -> tuple[Any, Any]:
    """Images and labels in a dictionary: its own, or those of one experiment of DC, DSA or DM."""
    if {"images", "labels"} <= found.keys():
        return found["images"], found["labels"]
    data = found.get("data")
    if not isinstance(data, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in data):
        raise SeqmatchError(
            f"{path}: a dictionary with {', '.join(map(str, list(found)[:9])) or 'nothing'}; expected `images` "
            "and `labels`, or `data` with both of each experiment; save its tensors in files of their own"
        )
    if not isinstance(experiment, int) or not 0 <= experiment < len(data):
        raise SeqmatchError(f"{path}: has {len(data)} experiments, from 0; there is no experiment {experiment}")
    return tuple(data[experiment])


def _load(path: Path) -> Any:
    """What `torch.save` wrote, if that is tensors and plain values."""
    if not path.is_file():
        raise SeqmatchError(f"{path}: there is no such file")
    if path.suffix == ".safetensors":
        raise SeqmatchError(f"{path}: not a file of torch.save; a set of seqmatch is read by seqmatch.load")
    try:
        with torch.serialization.safe_globals(PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = str(error).partition("GLOBAL ")[2].split(" was not")[0]
        raise SeqmatchError(
            f"{path}: not opened: it holds more than tensors"
            + (f" ({found})" if found else "")
            + ", and reading that could run code of its makers; where you trust it, load it yourself and pass its "
            "tensors to seqmatch.from_tensors"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise SeqmatchError(f"{path}: not a file that torch.save wrote ({in_short(error)})") from None
