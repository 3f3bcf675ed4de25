"""A distilled set as one object: its subsets in order, and all that is needed to train on it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from seqmatch import config
from seqmatch.data.normalization import Normalization, from_tensors
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import NAMED_SUBSET
from seqmatch.files.tensors import load_tensors
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import Subset, load_subset
from seqmatch.training.loop import Stage


@dataclass(frozen=True, repr=False)
class Distilled:
    """A distilled set: K subsets, and how networks learn from them."""

    subsets: tuple[Subset, ...]
    normalization: Normalization
    """`apply` takes uint8 images (N, C, H, W) to what networks see; `invert` takes these back to [0, 1]."""
    class_names: tuple[str, ...]
    evaluation: config.Evaluation
    """How networks are trained on it: the protocol that it was evaluated under."""
    augmentation: tuple[str, ...]
    """DSA operations of its data set; `evaluation.augmentation` takes their place."""
    architecture: config.Architecture
    """Of the networks that it was evaluated on."""
    about: dict[str, Any] = field(default_factory=dict)
    """How it was made: the header of the last subset's file."""

    @property
    def stages(self) -> list[Stage]:
        """What networks learn from, one stage after the other: decoded images, labels and step size of each."""
        return make_curriculum(self.subsets, self.evaluation)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image as networks see it."""
        return tuple(self.stages[0].images.shape[1:])

    def dataset(self, stage: int = -1) -> TensorDataset:
        """The normalised images and labels of a stage, from 0; by default of the last, which holds all images."""
        return TensorDataset(self.stages[stage].images, self.stages[stage].labels)

    def pixels(self, stage: int = -1) -> Tensor:
        """Its images to look at: uint8, (N, C, H, W)."""
        raw = self.normalization.invert(self.stages[stage].images)
        return (raw.clamp(0, 1) * 255).round().to(torch.uint8)

    def __repr__(self) -> str:
        images = len(self.stages[-1].labels)
        return f"<distilled set: {images} images of {len(self.class_names)} classes, {len(self.subsets)} subsets>"


def load(path: str | Path) -> Distilled:
    """The distilled set in a file of a subset, or in the folder of a run, with all its subsets.

    Raises:
        SeqmatchError: there is none, or a file of it is damaged.
    """
    path = Path(path)
    files = sorted(path.glob("subset*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise SeqmatchError(f"{path}: no distilled set is there: expected a file, or a folder with subset1.safetensors")
    tensors, header = load_tensors(files[-1], NAMED_SUBSET)
    parameters = header["parameters"]
    return Distilled(
        subsets=tuple(load_subset(file) for file in files),
        normalization=from_tensors(tensors),
        class_names=tuple(header["class_names"]),
        evaluation=config.Evaluation(**parameters["evaluation"]),
        augmentation=tuple(header["augmentation"]),
        architecture=config.Architecture(**parameters["architecture"]),
        about=header,
    )
