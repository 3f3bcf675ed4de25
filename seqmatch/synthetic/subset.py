"""The near-equal subsets S_1 … S_K of a synthetic set, each distilled with those before it frozen (Du et al. 2023)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqmatch.data import normalization
from seqmatch.data.normalization import Normalization, Whitening
from seqmatch.distillation.coresets import Order
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.synthetic.formation import decode, encode


@dataclass(frozen=True)
class Subset:
    """One distilled subset S_k with the step size learned for its stage."""

    images: Tensor
    """Normalised, float32, (classes · ipc_k, C, H, W), class after class."""
    labels: Tensor
    """int64, (classes · ipc_k,)."""
    step_size: float
    formation: int = 1
    """Images that a stored one holds along a side."""
    soft_labels: Tensor | None = None
    """Shares of classes (classes · ipc_k · formation², classes) that networks learn instead of labels, float32."""

    def decoded(self) -> tuple[Tensor, Tensor]:
        """What networks learn from: all images at full size, and their labels, soft ones where there are any."""
        images = decode(self.images, self.formation)
        if self.soft_labels is not None:
            return images, self.soft_labels
        return images, self.labels.repeat_interleave(self.formation**2)

    def to(self, device: torch.device) -> "Subset":
        soft_labels = None if self.soft_labels is None else self.soft_labels.to(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), soft_labels=soft_labels)

    def __getitem__(self, kept: Tensor) -> "Subset":
        """Some of its stored images, at indices or under a mask of them."""
        soft_labels = None
        if self.soft_labels is not None:
            soft_labels = self.soft_labels.unflatten(0, (-1, self.formation**2))[kept].flatten(0, 1)
        return replace(self, images=self.images[kept], labels=self.labels[kept], soft_labels=soft_labels)


def subset_sizes(ipc: int, subsets: int) -> list[int]:
    """Images per class of each of K subsets: near-equal, the larger ones first (50 in 3: 17, 17, 16).

    Raises:
        ValueError: more subsets than images per class.
    """
    if not 1 <= subsets <= ipc:
        raise ValueError(f"{ipc} images per class cannot be divided into {subsets} subsets")
    return [ipc // subsets + (k < ipc % subsets) for k in range(subsets)]


def initial_subset(
    images: Tensor,
    labels: Tensor,
    ipc: int,
    subsets: int,
    subset: int,
    step_size: float,
    order: Order,
    formation: int = 1,
) -> Subset:
    """Real images to start S_k from, k = `subset` from 1; those of different k are distinct.

    The choice depends on `order` alone, so that methods that share it start from the same images. With a `formation`
    above 1, each stored image starts as a mix of formation² real ones.

    Args:
        images: normalised training images (N, C, H, W).
        labels: their classes (N,).
        order: the images of each class in the order in which S_1, S_2 and so on take them.

    Raises:
        ValueError: a class has fewer than ipc · formation² images.
    """
    held = formation**2
    sizes = [held * size for size in subset_sizes(ipc, subsets)]
    first = sum(sizes[: subset - 1])
    chosen = []
    for label in labels.unique(sorted=True).tolist():
        members = (labels == label).nonzero().squeeze(1)
        if len(members) < sum(sizes):
            mixed = f" × {held} mixed in each" if held > 1 else ""
            raise ValueError(f"class {label} has {len(members)} training images, fewer than ipc {ipc}{mixed}")
        chosen.append(order(members, label)[first : first + sizes[subset - 1]])
    index = torch.cat(chosen)
    return Subset(encode(images[index], formation).clone(), labels[index[::held]].clone(), step_size, formation)


def save_subset(
    path: Path, subset: Subset, initial: Subset, normalization: Normalization, header: dict[str, Any]
) -> None:
    """Write a subset with what its users need: the statistics of its normalisation, and pixels to look at.

    `pixels` are the images with the normalisation inverted, clipped to uint8; `initial_pixels` those of the real images
    that `initial` holds, from which it was distilled.
    """
    tensors = {
        "images": subset.images,
        "labels": subset.labels,
        "step_size": torch.tensor(subset.step_size, dtype=torch.float64),
        "formation": torch.tensor(subset.formation),
        "pixels": _pixels(subset, normalization),
        "initial_pixels": _pixels(initial, normalization),
    } | ({} if subset.soft_labels is None else {"soft_labels": subset.soft_labels})
    save_tensors(path, tensors | normalization.tensors(), header)


def _pixels(subset: Subset, normalization: Normalization) -> Tensor:
    """Stored images as uint8. Whitening is of whole images, so it is inverted in each that a stored one holds."""
    if isinstance(normalization, Whitening) and subset.formation > 1:
        raw = encode(normalization.invert(decode(subset.images, subset.formation)), subset.formation)
    else:
        raw = normalization.invert(subset.images)
    return (raw.clamp(0, 1) * 255).round().to(torch.uint8)


def load_subset(path: Path) -> Subset:
    """Read a subset that `save_subset` wrote.

    Raises:
        SeqmatchError: the file is missing or damaged.
    """
    names = ("images", "labels", "step_size", "formation")
    tensors, _ = load_tensors(path, names)
    images, labels, step_size, formation = (tensors[name] for name in names)
    return Subset(images, labels, float(step_size), int(formation), tensors.get("soft_labels"))


def load_normalization(path: Path) -> Normalization:
    """The normalisation stored with a subset; `invert` takes its images back to pixels in [0, 1].

    Raises:
        SeqmatchError: the file is missing or damaged.
    """
    return normalization.from_tensors(load_tensors(path, ("pixels",))[0])
