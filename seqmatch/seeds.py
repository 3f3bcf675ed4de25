"""Randomness is named, not streamed: every draw comes from a generator derived from what it is for.

A resumed run is thereby the same run without any saved generator state, and adding a draw in one place
moves no draw in another. Nothing here touches a global generator.
"""

import hashlib
import json
from dataclasses import dataclass
from operator import index

import torch


@dataclass(frozen=True)
class Seed:
    """The name of a family of random draws, such as ``Seed("distill", "digits", "mtt", 10, 0)``.

    ``seed / name`` is the name of a sub-family; equal names give equal draws on every machine. Whole numbers are equal
    whatever their type.
    """

    names: tuple[str | int, ...]

    def __init__(self, *names: str | int):
        object.__setattr__(self, "names", names)

    def __truediv__(self, name: str | int) -> "Seed":
        return Seed(*self.names, name)

    def integer(self) -> int:
        """An integer in [0, 2³²), for libraries that take a seed of their own."""
        digest = hashlib.sha256(json.dumps(self.names, default=index).encode()).digest()
        return int.from_bytes(digest[:4], "little")

    def generator(self) -> torch.Generator:
        """A fresh CPU generator: drawing on the CPU gives every device the same random numbers."""
        return torch.Generator().manual_seed(self.integer())
