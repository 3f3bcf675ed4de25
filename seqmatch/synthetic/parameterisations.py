"""How the images of a subset are stored: a pair of pure functions, from real images to stored ones and back."""

from dataclasses import dataclass

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


PIXELS = Parameterisation()
"""Images as they are."""
