"""What both examples need: the digits, sets of real images, a small network, intervals."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.utils.parallel import Parallel, delayed
from torch import Tensor, nn

import seqmatch
from seqmatch.config import Dataset
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import digits
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset

NORMS = {"none": nn.Identity, "instance": lambda width: nn.GroupNorm(width, width), "batch": nn.BatchNorm2d}
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}

Labelled = tuple[Tensor, Tensor]
"""Normalised images (N, 1, 8, 8) and labels (N,)."""

SEEDS = {"type": int, "default": 5, "choices": range(2, 21), "metavar": "N"}
"""Of an option; one seed has no interval."""


def load(place: str) -> seqmatch.Distilled:
    """A set of the index by its name, or from a folder or file; where there is none, the program ends and says so."""
    try:
        return seqmatch.load(place)
    except SeqmatchError as error:
        raise SystemExit(str(error)) from None


def load_digits(distilled: seqmatch.Distilled) -> dict[str, Labelled]:
    """Train, validation and test digits, normalised as the images of the set are.

    They are split as the default experiment splits them, so no set of it was distilled from test images.
    """
    held_out = Dataset(source="digits", test_fraction=0.25, validation_fraction=0.1)
    data = prepare(digits(), held_out, Seed("prepare", "digits", 0))
    expected, found = data.normalization.tensors(), distilled.normalization.tensors() if distilled.normalization else {}
    if expected.keys() != found.keys() or not all(
        torch.allclose(found[name], expected[name], rtol=1e-5) for name in expected
    ):
        raise SystemExit("the set was not distilled from the digits that the default experiment trains on")
    return {name: data.split(name) for name in ("train", "validation", "test")}


def name_of(distilled: seqmatch.Distilled, place: str) -> str:
    """The method that distilled a set, or the place of the set."""
    return distilled.about.get("distilled", {}).get("method", place)


def random_set(distilled: seqmatch.Distilled, images: Tensor, labels: Tensor, seed: int) -> seqmatch.Distilled:
    """A set of the size, stages and step sizes of `distilled`, of real images drawn at random."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    unused = {label: order[labels[order] == label].tolist() for label in range(len(distilled.class_names))}
    drawn = [[unused[label].pop() for label in subset.labels.tolist()] for subset in distilled.subsets]
    subsets = zip(drawn, distilled.subsets, strict=True)
    return replace(distilled, subsets=tuple(Subset(images[index], old.labels, old.step_size) for index, old in subsets))


def convnet(width: int, depth: int, norm: str, pooling: str, seed: int) -> nn.Sequential:
    """`depth` blocks of convolution, norm, ReLU and pooling for 8×8 grey images, then a linear layer of ten outputs."""
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for channels in (1, *[width] * (depth - 1)):
            layers += [nn.Conv2d(channels, width, 3, padding=1), NORMS[norm](width), nn.ReLU(), POOLINGS[pooling](2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (8 >> depth) ** 2, 10))


@torch.inference_mode()
def percent_correct(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Accuracy in percent."""
    return float((network.eval()(images).argmax(1) == labels).double().mean() * 100)


def in_processes(function: Callable, calls: Iterable[tuple], processes: int) -> list[Any]:
    """What `function` returns for each tuple of arguments, in order, computed side by side."""
    return Parallel(n_jobs=processes)(delayed(function)(*arguments) for arguments in calls)


def interval(values: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % confidence interval of the mean over the first axis, the seeds."""
    return student.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
