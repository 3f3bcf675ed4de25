"""What a job will cost: operations and disk, counted from the configuration before anything runs. Imports no torch.

Operations are those of convolutions and linear layers, a bound from below on the work; docs/scaling.md has the
formulas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

from seqmatch import config
from seqmatch.config import Experiment, Run
from seqmatch.config.catalog import splits_of
from seqmatch.config.methods import Images
from seqmatch.config.storage import stored_numbers, stored_per_class
from seqmatch.planning.sizes import pixels_of, size_of

NUMBER = 4
"""Bytes of a float32."""

Measure = Callable[[config.Architecture, tuple[int, int, int], int], tuple[float, float, int]]
"""An architecture, shape and number of classes to what `seqmatch.networks.count_operations` gives."""


@dataclass(frozen=True)
class Cost:
    """Of one job."""

    operations: float = 0.0
    """Floating-point operations."""
    disk: float = 0.0
    """Bytes that stay on the disk."""


@dataclass(frozen=True)
class Work:
    """Operations of one image in one network."""

    first: float
    """The first layer's in a forward pass."""
    rest: float
    parameters: int

    @property
    def forward(self) -> float:
        return self.first + self.rest

    @property
    def training(self) -> float:
        """Forward and backward pass; nothing asks for the gradient of the images."""
        return 2 * self.first + 3 * self.rest

    @property
    def matching(self) -> float:
        """A student's step and its part of the exact gradient: 3 passes, and 8 for the directional derivative's.

        What is kept (`kept_memory`) saves 2 of them, and is not counted: tables must not depend on a machine's memory.
        """
        return (2 + 5) * self.first + (3 + 8) * self.rest


@dataclass(frozen=True)
class Data:
    """A data set, as far as costs depend on it."""

    train: int
    """Images of the training split."""
    validation: int
    tested: int
    classes: int
    pixels: int
    """Numbers in an image."""
    shape: tuple[int, int, int]


class Scale:
    """What costs depend on: an experiment, and the size of its data and networks."""

    def __init__(self, experiment: Experiment, measure: Measure):
        self.experiment = experiment
        self.data = cache(self._data)
        self.work = cache(lambda dataset, network: self._work(measure, dataset, network))

    def seen(self, run: Run) -> list[int]:
        """Images that each stage of the curriculum of unions trains on."""
        data = self.data(run.dataset)
        if not run.subsets:
            return [data.train]
        sizes = [
            stage.held * stored_per_class(stage, size, data.classes, data.shape)
            for size, stage in zip(run.sizes, run.stages, strict=True)
        ]
        return [data.classes * sum(sizes[: k + 1]) for k in range(run.subsets)]

    def through(self, run: Run) -> int:
        """Images that a network sees on its way through all stages."""
        return run.evaluation.epochs * sum(self.seen(run))

    def _data(self, dataset: str) -> Data:
        section = self.experiment.config.datasets[dataset]
        size = size_of(section)
        channels, height, width = size.shape
        splits = splits_of(size, section.test_fraction, section.validation_fraction)
        pixels = channels * height * width
        return Data(splits.train, splits.validation, splits.test, max(size.classes, 2), pixels, size.shape)

    def _work(self, measure: Measure, dataset: str, network: str) -> Work:
        data = self.data(dataset)
        return Work(*measure(self.experiment.config.architectures[network], data.shape, data.classes))


def nothing(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    """Seconds: not worth counting."""
    return Cost()


def preparation(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    section, data = scale.experiment.config.datasets[wildcards["dataset"]], scale.data(wildcards["dataset"])
    statistics = NUMBER * data.pixels**2 if section.normalization == "zca" else 0
    return Cost(disk=pixels_of(section) + statistics)


def experts(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    recipe, dataset = wildcards["recipe"], wildcards["dataset"]
    return _trajectories(scale, dataset, recipe, scale.experiment.recorded_epochs[recipe, dataset])


def teachers(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    through = run.evaluation.epochs * sum(scale.seen(run)[: run.taught_by(k)])
    return _trajectories(scale, run.dataset, run.stages[k - 1].experts, run.epochs(k), through)


def distillation(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    stage, work = run.stages[k - 1], scale.work(run.dataset, run.architecture)
    iterations = stage.iterations
    if run.rounds:
        number = wildcards.get("round", run.rounds)
        iterations = run.done_after(k, number) - (run.done_after(k, number - 1) if number else 0)
    operations = 0.0
    if iterations:
        passes = run.objective.cost(stage, images_of(scale, run, k))
        one = passes.forward * work.forward + passes.training * work.training + passes.matching * work.matching
        operations = iterations * (one + passes.operations)
    return Cost(operations, snapshots(stage) * _stored(scale, run, k))


def images_of(scale: Scale, run: Run, k: int) -> Images:
    """What an iteration of subset k, from 1, deals with."""
    data = scale.data(run.dataset)
    return Images(data.classes, data.train, *_new_and_union(scale, run, k), data.shape[1] * data.shape[2])


def selection(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    stage, seen = run.stages[k - 1], scale.seen(run)
    scored = "validation" in run.selections or "test" in run.selections
    earlier = sum(seen[: k - 1]) * (1 if run.evaluation.momentum_restarts else snapshots(stage))
    trained = run.evaluation.epochs * (earlier + snapshots(stage) * seen[k - 1]) * scored
    operations = (
        scale.experiment.config.selection.networks * trained * scale.work(run.dataset, run.architecture).training
    )
    return Cost(operations, _stored(scale, run, k))


def evaluation(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    work, tested = scale.work(run.dataset, wildcards["architecture"]), scale.data(run.dataset).tested
    choices = len(run.selections) if wildcards["architecture"] == run.architecture else 1
    return Cost(run.evaluation.networks * choices * (scale.through(run) * work.training + tested * work.forward))


def baselines(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    data, work = scale.data(run.dataset), scale.work(run.dataset, run.architecture)
    random = run.evaluation.epochs * data.classes * sum(accumulate(run.sizes))
    seen, sets = (random + scale.through(run), 2) if run.soft else (random, 1)
    return Cost(run.evaluation.networks * (seen * work.training + sets * data.tested * work.forward))


def losses(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, difficulty = scale.experiment.run_of(wildcards), scale.experiment.config.difficulty
    work = scale.work(run.dataset, run.architecture)
    recorded = (difficulty.records * run.subsets + 1) * scale.data(run.dataset).train
    operations = difficulty.networks * (scale.through(run) * work.training + recorded * work.forward)
    return Cost(operations, NUMBER * difficulty.networks * recorded)


def coupling(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, section = scale.experiment.run_of(wildcards), scale.experiment.config.coupling
    work = scale.work(run.dataset, run.architecture)
    products = section.draws * (section.records + 1) * scale.seen(run)[-1] * work.matching
    tested = 2 * scale.data(run.dataset).tested * work.forward
    return Cost(section.networks * (2 * scale.through(run) * work.training + products + tested))


def stages(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    work, seen = scale.work(run.dataset, run.architecture), scale.seen(run)
    both = scale.through(run) + run.evaluation.epochs * seen[-1]  # on unions, and on each subset alone
    tested = 2 * run.subsets * scale.data(run.dataset).tested
    return Cost(run.evaluation.networks * (both * work.training + tested * work.forward))


def _new_and_union(scale: Scale, run: Run, k: int) -> tuple[int, int]:
    """Decoded images of S_k, and of S_1 ∪ … ∪ S_k."""
    seen = [0, *scale.seen(run)]
    return seen[k] - seen[k - 1], seen[k]


def snapshots(stage: config.Matching | config.Coreset) -> int:
    """How many copies of a subset are kept, the initial one too."""
    return 1 + min(stage.snapshots, stage.iterations)


def _stored(scale: Scale, run: Run, k: int) -> float:
    """Bytes of S_k."""
    data, size = scale.data(run.dataset), run.sizes[k - 1]
    return NUMBER * stored_numbers(run.stages[k - 1], size, data.classes, data.shape)


def _trajectories(scale: Scale, dataset: str, recipe: str, epochs: int, through: int = 0) -> Cost:
    """A shard of networks that see `through` synthetic images, then `epochs` of real ones."""
    section, data = scale.experiment.config.experts[recipe], scale.data(dataset)
    images_seen = through + epochs * data.train * (2 if section.rho else 1)
    work = scale.work(dataset, section.architecture)
    width = NUMBER // 2 if section.storage == "float16" else NUMBER
    disk = section.networks_per_shard * (epochs + 1) * work.parameters * width
    return Cost(section.networks_per_shard * images_seen * work.training, disk)
