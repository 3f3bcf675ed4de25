"""How the images of a subset are stored: a pair of pure functions, from real images to stored ones and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seqmatch.config.sections import WITH_FORMATION
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.synthetic import formation

PARAMETERISATIONS = {
    "pixels": (lambda images, size: images, lambda stored, size: stored),
    "multi-formation": (formation.encode, formation.decode),
}
"""By the name that `matching.parameterisation` gives: from real images to stored ones, and from stored ones to those
that networks see, given the size of the formation. The second is differentiable."""


@dataclass(frozen=True)
class Parameterisation:
    """A parameterisation and its size.

    Raises:
        SeqmatchError: there is none of that name, or images stored as they are shall hold others.
    """

    name: str = "pixels"
    formation: int = 1
    """Images that a stored one holds along a side."""

    def __post_init__(self):
        if self.name not in PARAMETERISATIONS:
            raise SeqmatchError(f"unknown parameterisation {self.name}; {allowed(self.name, PARAMETERISATIONS)}")
        if self.name not in WITH_FORMATION and self.formation != 1:
            raise SeqmatchError(
                f"formation {self.formation}: images stored as {self.name} do not read it; set the parameterisation to "
                f"{WITH_FORMATION[0]}, or leave it out"
            )

    @property
    def held(self) -> int:
        """Images that networks see of each stored one."""
        return self.formation**2

    def encode(self, images: Tensor) -> Tensor:
        """Images (n · held, C, H, W) to stored ones (n, C, H, W)."""
        return PARAMETERISATIONS[self.name][0](images, self.formation)

    def decode(self, stored: Tensor) -> Tensor:
        """Stored images (n, C, H, W) to those that networks see, (n · held, C, H, W), those of one after the other."""
        return PARAMETERISATIONS[self.name][1](stored, self.formation)

    def check(self, path: Path, stored: Tensor, known: Mapping[str, int] | None) -> None:
        """Compare the images that networks would see with those of the data set that they are used with.

        Args:
            path: where they are stored, for the message.
            known: C, H and W, if any are.

        Raises:
            SeqmatchError: they are others.
        """
        found = tuple(self.decode(stored).shape[1:])
        if known and found != (expected := (known["C"], known["H"], known["W"])):
            raise SeqmatchError(f"{path}: images: expected {expected}, found {found}; is it of another data set?")


PIXELS = Parameterisation()
"""Images as they are."""
