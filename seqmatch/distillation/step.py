"""What an objective is given, and what it gives: loss and gradient of one iteration.

Each objective has a module with a function `make_step`, from a `Problem` to a `Step`. Iteration i of it draws from
``seed / i``, so that a resumed run is the same run. `seqmatch.config.methods` names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqmatch import config, networks
from seqmatch.data.dataset import Dataset
from seqmatch.matching.dispatch import classes_at_once
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Minibatch
from seqmatch.runtime.budget import chunk_size
from seqmatch.seeds import Seed
from seqmatch.training.experts import Trajectories
from seqmatch.training.loop import Labelled
from seqmatch.transforms import dsa


class Step(Protocol):
    """The match of all synthetic images (n, C, H, W), S_k last, at a step size, or one for each of the student's steps,
    in one iteration; where labels are learned, of these labels of all images, shares of classes (n, classes).

    A step may have a state, such as a network that learns. It is then asked for one iteration after the other, and
    first for one from which the objective can be resumed (`seqmatch.config.methods.Objective.resumes_every`).
    """

    def __call__(self, images: Tensor, step_size: Any, iteration: int, *labels: Tensor) -> Match: ...


@dataclass(frozen=True)
class Problem:
    """A subset to be distilled, as far as objectives must know it."""

    dataset: Dataset
    architecture: config.Architecture
    matching: Any
    """The section of the objective."""
    labels: Tensor
    """Of all decoded images of S_1 … S_k, on the device: int64 (n,), or shares of classes (n, classes)."""
    new: int
    """Decoded images of S_k, the last ones."""
    trajectories: Trajectories | None
    """Of experts or teachers, where the objective needs any."""
    seed: Seed
    device: torch.device
    compile: config.CompileMode = "auto"
    kept_memory: float | None = None
    """GB for what a student's steps computed; None: a share of the machine's."""

    @property
    def augmentation(self) -> tuple[str, ...]:
        """Operations of DSA for what is matched."""
        return self.dataset.augmentation if getattr(self.matching, "augment_matching", True) else ()

    @property
    def activations(self) -> list[int]:
        """Numbers that each convolution, or other layer, writes for one image."""
        return networks.activations(self.architecture, self.dataset.shape, self.dataset.classes)

    @property
    def chunk(self) -> int:
        """Images at a time, where as many real ones of each class are taken as `matching.real_batch` says."""
        return chunk_size(self.matching.real_batch * self.dataset.classes, self.activations, self.device)

    def real(self) -> Labelled:
        """All training images and their labels, on the device."""
        return self.dataset.split("train", self.device)

    def structure(self) -> nn.Module:
        """A network of which only the layers matter."""
        return self.fresh(Seed("structure"))

    def fresh(self, seed: Seed) -> nn.Module:
        """A freshly initialised network on the device."""
        return networks.build(self.architecture, self.dataset.shape, self.dataset.classes, seed, self.device)

    def new_network(self, seed: Seed) -> nn.Module:
        """A fresh network for a first subset; for a later one, a teacher that was trained through those before it."""
        network = self.fresh(seed)
        if self.new == len(self.labels):
            return network
        number = int(torch.randint(len(self.trajectories), (), generator=(seed / "teacher").generator()))
        return self.trajectories.load(network, number, 0)

    def classes_at_once(self, synthetic: int) -> int:
        """Classes whose gradients can be matched as one batch, with `synthetic` images of each."""
        parameters = sum(parameter.numel() for parameter in self.structure().parameters())
        return classes_at_once(self.matching.real_batch, synthetic, self.activations, parameters, self.device)


def augmented(index: Tensor, drawn: Sequence[dsa.Draw]) -> Minibatch:
    """A student's minibatch of the images at `index` (B,), with what was drawn for them."""
    return lambda images: dsa.apply(drawn, images[index]), index


def some_of_each(indices: Sequence[Tensor], count: int, generator: torch.Generator) -> Tensor:
    """As many of each index at random, (len(indices), m): `count`, or as the largest has.

    A smaller one gives all that it has, again and again.
    """
    most = min(count, max(map(len, indices)))
    return torch.stack([torch.cat([some(index, most, generator)] * -(-most // len(index)))[:most] for index in indices])


def some(index: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of them, at random."""
    return index[torch.randperm(len(index), generator=generator)[:count].to(index.device, non_blocking=True)]
