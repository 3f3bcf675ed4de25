"""How the images of a subset are stored, and what networks see of them.

What is stored of each image, which may be an image or coefficients, is its own; a learned decoder is stored once for
all images of a subset, and distilled with them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seqmatch.config.sections import Stored
from seqmatch.errors import SeqmatchError
from seqmatch.synthetic import formation, hallucinators, memories

Decoder = Mapping[str, Tensor]
"""Tensors that are stored once for all images of a subset; none where nothing of the parameterisation is learned."""


@dataclass(frozen=True)
class Form:
    """What a parameterisation does, given its size; `Parameterisation.size` says what that is."""

    decode: Callable[[Tensor, Decoder, int], Tensor]
    """From what is stored to the images that networks see; differentiable."""
    arrange: Callable[[Tensor, int], Tensor] | None = None
    """From images that networks see to stored ones, where these are images of another form: how real ones are stored
    at first, and how a person is shown them."""
    size: str | None = None
    """Its name in files, if there is any."""


FORMS = {
    "pixels": Form(lambda stored, decoder, size: stored),
    "multi-formation": Form(
        lambda stored, decoder, size: formation.decode(stored, size), formation.encode, "formation"
    ),
    "memories": Form(
        lambda stored, decoder, size: memories.decode(stored, decoder["memories"], size), size="memory_scale"
    ),
    "hallucinators": Form(lambda stored, decoder, size: hallucinators.decode(stored, decoder), size="hallucinators"),
}
"""By the name that `matching.parameterisation` gives."""


@dataclass(frozen=True)
class Parameterisation:
    """A parameterisation and its size."""

    name: str = "pixels"
    size: int = 1
    """Images that a stored one holds along a side; how much smaller memories are than images; how many hallucinators
    there are."""

    @property
    def held(self) -> int:
        """Images that networks see of each stored one."""
        return {"multi-formation": self.size**2, "hallucinators": self.size}.get(self.name, 1)

    def decode(self, stored: Tensor, decoder: Decoder) -> Tensor:
        """What is stored of n images to those that networks see, (n · held, C, H, W), those of one after the other."""
        return FORMS[self.name].decode(stored, decoder, self.size)

    @property
    def arranged(self) -> bool:
        """Whether images are stored, and shown, in another form than networks see them."""
        return FORMS[self.name].arrange is not None

    def arrange(self, images: Tensor) -> Tensor:
        """Images (n · held, C, H, W) as they are stored at first, and shown: those of a formation in a grid."""
        return FORMS[self.name].arrange(images, self.size) if self.arranged else images

    def sizes(self) -> dict[str, int]:
        """Its size by name; that of formations always, as files have it."""
        return {"formation": 1} | ({name: self.size} if (name := FORMS[self.name].size) else {})

    @classmethod
    def of(cls, name: str, sizes: Mapping[str, int]) -> "Parameterisation":
        """The one of that name, with the size that it has in a file."""
        return cls(name, int(sizes[FORMS[name].size or "formation"]))

    def check(self, path: Path, stored: Tensor, decoder: Decoder, known: Mapping[str, int] | None) -> None:
        """Compare the images that networks would see with those of the data set that they are used with.

        Args:
            path: where they are stored, for the message.
            known: C, H and W, if any are.

        Raises:
            SeqmatchError: they are others.
        """
        found = tuple(self.decode(stored[:1], decoder).shape[1:])
        if known and found != (expected := (known["C"], known["H"], known["W"])):
            raise SeqmatchError(f"{path}: images: expected {expected}, found {found}; is it of another data set?")


PIXELS = Parameterisation()
"""Images as they are."""


def parameterisation_of(stage: Stored) -> Parameterisation:
    """That of a section, with the size that it sets."""
    name = FORMS[stage.parameterisation].size
    return Parameterisation(stage.parameterisation, getattr(stage, name) if name else 1)
