"""Copies of a subset along its distillation."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from seqmatch import config
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.synthetic.subset import Subset


@dataclass(frozen=True)
class Snapshots:
    """A subset along its distillation: S copies, the initial one first, and the course of every iteration."""

    iterations: Tensor
    """int64 (S,): updates done before each copy."""
    images: Tensor
    """Normalised, float32 (S, n, C, H, W)."""
    step_sizes: Tensor
    """float64 (S,)."""
    labels: Tensor
    """int64 (n,)."""
    formation: Tensor
    """int64 (): as that of a subset."""
    matching_losses: Tensor
    """float64, one an iteration."""
    step_size_course: Tensor
    """float64, one an iteration: the step size that it used."""
    soft_labels: Tensor | None = None
    """As those of a subset."""

    def subset(self, index: int) -> Subset:
        """The copy at `index` as a subset."""
        step_size = float(self.step_sizes[index])
        return Subset(self.images[index], self.labels, step_size, int(self.formation), self.soft_labels)

    def tensors(self) -> dict[str, Tensor]:
        """All fields that there are, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}


def save_snapshots(path: Path, snapshots: Snapshots, header: dict[str, Any]) -> None:
    """Write snapshots; `header` is their provenance."""
    save_tensors(path, snapshots.tensors(), header)


def load_snapshots(path: Path) -> Snapshots:
    """Read snapshots.

    Raises:
        SeqmatchError: the file is missing or damaged.
    """
    return Snapshots(**load_tensors(path, [field.name for field in fields(Snapshots) if field.default is MISSING])[0])


def snapshot_iterations(settings: config.Matching) -> set[int]:
    """After how many updates a copy is kept: 0, then `snapshots` times at near-even intervals."""
    count = min(settings.snapshots, settings.iterations)
    return {0, *(round(settings.iterations * (i + 1) / count) for i in range(count))}
