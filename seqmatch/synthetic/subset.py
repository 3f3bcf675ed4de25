"""The near-equal subsets S_1 … S_K of a synthetic set, each distilled with those before it frozen (Du et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqmatch.data.normalization import Normalization, Whitening
from seqmatch.files.kinds import DECODER, SUBSET
from seqmatch.files.schema import Dimensions
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.synthetic.parameterisations import PIXELS, Decoder, Parameterisation


@dataclass(frozen=True)
class Subset:
    """One distilled subset S_k with the step size learned for its stage."""

    images: Tensor
    """Normalised, float32, (classes · ipc_k, C, H, W), class after class; where they are sums of memories, the
    coefficients of each (n, K)."""
    labels: Tensor
    """int64, (classes · ipc_k,)."""
    step_size: float
    parameterisation: Parameterisation = PIXELS
    """How the images are stored."""
    soft_labels: Tensor | None = None
    """Shares of classes (classes · ipc_k · held, classes) that networks learn instead of labels, float32."""
    rates: Tensor | None = None
    """float64 (T,): learned step sizes of each of T steps, where there are such; `step_size` is their mean."""
    decoder: Decoder = field(default_factory=dict)
    """What is stored once for all images, float32, where their decoder is learned."""

    def decoded(self) -> tuple[Tensor, Tensor]:
        """What networks learn from: all images at full size, and their labels, soft ones where there are any."""
        images = self.parameterisation.decode(self.images, self.decoder)
        if self.soft_labels is not None:
            return images, self.soft_labels
        return images, self.labels.repeat_interleave(self.parameterisation.held)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image as networks see it."""
        return tuple(self.parameterisation.decode(self.images[:1], self.decoder).shape[1:])

    @property
    def numbers(self) -> int:
        """Numbers that are stored of it, class labels and step sizes aside."""
        kept = [self.images, *self.decoder.values(), *([] if self.soft_labels is None else [self.soft_labels])]
        return sum(tensor.numel() for tensor in kept)

    def to(self, device: torch.device) -> "Subset":
        soft_labels = None if self.soft_labels is None else self.soft_labels.to(device)
        decoder = {name: tensor.to(device) for name, tensor in self.decoder.items()}
        images, labels = self.images.to(device), self.labels.to(device)
        return replace(self, images=images, labels=labels, decoder=decoder, soft_labels=soft_labels)

    @property
    def seen(self) -> int:
        """Images that networks see: those that are stored, decoded."""
        return len(self.labels) * self.parameterisation.held

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, but how the images are stored: `subset_of` takes both."""
        return {
            "images": self.images,
            "labels": self.labels,
            "step_size": torch.tensor(self.step_size, dtype=torch.float64),
            **{name: torch.tensor(size) for name, size in self.parameterisation.sizes().items()},
            **{DECODER + name: tensor for name, tensor in self.decoder.items()},
            **{name: tensor for name in ("soft_labels", "rates") if (tensor := getattr(self, name)) is not None},
        }

    def __getitem__(self, kept: Tensor) -> "Subset":
        """Some of its stored images, at indices or under a mask of them."""
        soft_labels = None
        if self.soft_labels is not None:
            soft_labels = self.soft_labels.unflatten(0, (-1, self.parameterisation.held))[kept].flatten(0, 1)
        return replace(self, images=self.images[kept], labels=self.labels[kept], soft_labels=soft_labels)


def save_subset(
    path: Path, subset: Subset, initial: Subset, normalization: Normalization, header: dict[str, Any]
) -> None:
    """Write a subset with what its users need: its normalisation, and pixels to look at.

    Of a whitening there is what it is known by; its matrix is kept once per data set.

    `pixels` are the images with the normalisation inverted, clipped to uint8, as networks see them but for those that
    are stored in another form, such as a grid; `initial_pixels` those of the real images that `initial` holds, from
    which it was distilled.
    """
    tensors = subset.tensors() | {
        "pixels": pixels_of(subset, normalization),
        "initial_pixels": pixels_of(initial, normalization),
    }
    save_tensors(
        path, tensors | normalization.small_tensors(), header | {"parameterisation": subset.parameterisation.name}
    )


def pixels_of(subset: Subset, normalization: Normalization) -> Tensor:
    """The images to look at as uint8. Whitening is of whole images: it is inverted in each that a stored one holds."""
    stored = subset.parameterisation
    if stored.arranged and not isinstance(normalization, Whitening):
        raw = normalization.invert(subset.images)
    else:
        raw = stored.arrange(normalization.invert(stored.decode(subset.images, subset.decoder)))
    return (raw.clamp(0, 1) * 255).round().to(torch.uint8)


def load_subset(path: Path, known: Dimensions | None = None) -> Subset:
    """Read a subset that `save_subset` wrote. The real images that it began as, which the file may hold, are left.

    Args:
        known: of the data set that it is used with, `Dataset.dimensions`.

    Raises:
        SeqmatchError: the file is missing or damaged, not a subset, or of another data set.
    """
    tensors, header = load_tensors(path, SUBSET, known)
    subset = subset_of(tensors, header["parameterisation"])
    subset.parameterisation.check(path, subset.images, subset.decoder, known)
    return subset


def subset_of(tensors: Mapping[str, Tensor], parameterisation: str) -> Subset:
    """The subset with the tensors of a file of `SUBSET`, and the name of its parameterisation."""
    return Subset(
        tensors["images"],
        tensors["labels"],
        float(tensors["step_size"]),
        Parameterisation.of(parameterisation, tensors),
        tensors.get("soft_labels"),
        tensors.get("rates"),
        decoder_of(tensors),
    )


def decoder_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the decoder among those of a file."""
    return {name.removeprefix(DECODER): tensor for name, tensor in tensors.items() if name.startswith(DECODER)}
