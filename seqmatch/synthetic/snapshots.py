"""Copies of a subset along its distillation."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.files.kinds import DECODER, SNAPSHOTS
from seqmatch.files.schema import Dimensions
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.synthetic.parameterisations import PIXELS, Decoder, Parameterisation
from seqmatch.synthetic.subset import Subset, decoder_of


@dataclass(frozen=True)
class Snapshots:
    """A subset along its distillation: S copies, the initial one first, and the course of every iteration."""

    iterations: Tensor
    """int64 (S,): updates done before each copy."""
    images: Tensor
    """Normalised, float32 (S, n, C, H, W), or as those of a subset are stored."""
    step_sizes: Tensor
    """float64 (S,)."""
    labels: Tensor
    """int64 (n,)."""
    matching_losses: Tensor
    """float64, one per iteration."""
    step_size_course: Tensor
    """float64, one per iteration: the step size that it used."""
    parameterisation: Parameterisation = PIXELS
    """As that of a subset."""
    soft_labels: Tensor | None = None
    """As those of a subset."""
    rates: Tensor | None = None
    """float64 (S, T): of each of the student's steps, where each has a learned one; `step_sizes` are their means."""
    learned_labels: Tensor | None = None
    """float32 (S, n · held, classes): soft labels of each copy, where they are learned; the first are `soft_labels`."""
    decoder: Decoder = field(default_factory=dict)
    """As that of a subset, each tensor of S copies."""

    def subset(self, index: int) -> Subset:
        """The copy at `index` as a subset."""
        step_size = float(self.step_sizes[index])
        rates = None if self.rates is None else self.rates[index]
        decoder = {name: tensor[index] for name, tensor in self.decoder.items()}
        images, stored = self.images[index], self.parameterisation
        soft_labels = self.soft_labels if self.learned_labels is None else self.learned_labels[index]
        return Subset(images, self.labels, step_size, stored, soft_labels, rates, decoder)

    def moved(self, index: int) -> bool:
        """Whether the copy at `index` shows other images than the initial one: updates may all have been skipped."""
        return any(not torch.equal(tensor[index], tensor[0]) for tensor in (self.images, *self.decoder.values()))

    def tensors(self) -> dict[str, Tensor]:
        """All that are tensors, by name, and the size of the parameterisation."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **{name: value for name, value in values.items() if isinstance(value, Tensor)},
            **{name: torch.tensor(size) for name, size in self.parameterisation.sizes().items()},
            **{DECODER + name: tensor for name, tensor in self.decoder.items()},
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], parameterisation: str) -> "Snapshots":
        """What `tensors` gave, with the name of the parameterisation."""
        kept = {field.name: tensors[field.name] for field in fields(cls) if field.name in tensors}
        stored = Parameterisation.of(parameterisation, tensors)
        return cls(**kept, parameterisation=stored, decoder=decoder_of(tensors))


def save_snapshots(path: Path, snapshots: Snapshots, header: dict[str, Any]) -> None:
    """Write snapshots; `header` is their provenance."""
    save_tensors(path, snapshots.tensors(), header | {"parameterisation": snapshots.parameterisation.name})


def load_snapshots(path: Path, known: Dimensions | None = None) -> Snapshots:
    """Read snapshots.

    Args:
        known: of the data set that they are used with, `Dataset.dimensions`.

    Raises:
        SeqmatchError: the file is missing or damaged, holds no snapshots, or is of another data set.
    """
    tensors, header = load_tensors(path, SNAPSHOTS, known)
    snapshots = Snapshots.from_tensors(tensors, header["parameterisation"])
    first = snapshots.subset(0)
    first.parameterisation.check(path, first.images, first.decoder, known)
    return snapshots


def snapshot_iterations(matching: config.Matching) -> set[int]:
    """After how many updates a copy is kept: 0, then `snapshots` times."""
    return {0} | even_moments(matching.iterations, matching.snapshots)


def even_moments(end: int, count: int) -> set[int]:
    """`count` moments in 1 … end, or all of these, at near-even intervals, the end among them."""
    count = min(count, end)
    return {round(end * (i + 1) / count) for i in range(count)}
