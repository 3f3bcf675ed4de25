"""How the images of a subset are stored: a pair of pure functions, from real images to stored ones and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def name_in(header: Mapping[str, Any], path: Path) -> str:
    """The name of the parameterisation that the header of the file at `path` gives.

    Raises:
        SeqmatchError: it gives none, or one that is not known.
    """
    name = header.get("parameterisation")
    if name is None:
        raise SeqmatchError(
            f"{path}: its header does not name the parameterisation of its images, so another version of seqmatch "
            "wrote it; if the workflow made it, delete it and run again"
        )
    if name not in PARAMETERISATIONS:
        raise SeqmatchError(f"{path}: unknown parameterisation {name}; {allowed(name, PARAMETERISATIONS)}")
    return name
