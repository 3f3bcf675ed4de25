"""What a job will cost: operations and disk, counted from the configuration before anything runs. Imports no torch.

Operations are those of convolutions and linear layers, a bound from below on the work; docs/scaling.md has the
formulas, and what jobs took beside their estimates.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any

from seqmatch import config
from seqmatch.config import Experiment, Run
from seqmatch.config.catalog import splits_of
from seqmatch.config.methods import SLOPE, TRAINING, Images, Passes
from seqmatch.config.storage import needs_real, new_images, started_per_class, stored_numbers
from seqmatch.planning.sizes import pixels_of, size_of

NUMBER = 4
"""Bytes of a float32."""

CORE_RATE = 1.5e11
"""Operations per second of a core in the fastest convolutions or products of matrices. Between what was measured:
0.85e11 and 0.92e11 with AVX2, 1.16e11 and 2.85e11 with AVX-512."""

WRITING = 400
"""Operations that wide networks do while a layer writes a number, and what follows it reads and writes: norm,
activation, pooling. Measured on a CPU: 4 to 5 ns on a core."""

CALL_SECONDS = 2.5e-4
"""For a layer that a minibatch goes through, however small. Measured on a core; a GPU took half to three quarters."""

START_SECONDS = 4.0
"""For a job to begin: Python, PyTorch and the data. Measured."""

TEST_BATCH = 256
"""Images that go through a network together where nothing is learned, about."""

Measure = Callable[[config.Architecture, tuple[int, int, int], int], tuple[float, float, int, int, int]]
"""An architecture, shape and number of classes to what `seqmatch.networks.count_operations` gives."""


@dataclass(frozen=True)
class Cost:
    """Of one job, or of a part of it."""

    operations: float = 0.0
    """Floating-point operations."""
    disk: float = 0.0
    """Bytes that stay on the disk."""
    written: float = 0.0
    """Numbers that layers write, counted for each pass."""
    calls: float = 0.0
    """Layers that minibatches go through, counted for each pass."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __rmul__(self, times: float) -> "Cost":
        return Cost(*(times * part for part in astuple(self)))

    def seconds(self, rate: float = CORE_RATE) -> float:
        """What it takes about, without its start, at so many operations per second in wide networks.

        Narrow networks and small minibatches are far from that rate: there layers take longer to write and to be called
        than to compute.
        """
        return (self.operations + WRITING * self.written) / rate + CALL_SECONDS * self.calls


@dataclass(frozen=True)
class Work:
    """One image in one network."""

    first: float
    """Operations of the first layer in a forward pass."""
    rest: float
    parameters: int
    written: int
    """Numbers that layers write in a forward pass."""
    layers: int

    def forward(self, images: float, batch: float = TEST_BATCH) -> Cost:
        """Forward passes of images, so many at a time."""
        return self._passes(1, 1, images, batch)

    def training(self, images: float, batch: float) -> Cost:
        """Forward and backward passes; nothing asks for the gradient of the images."""
        return self._passes(2, TRAINING, images, batch)

    def slope(self, images: float, batch: float) -> Cost:
        """Derivatives of the gradient of the parameters along a direction.

        What is kept of a student's step (`kept_memory`) saves 2 of them, and compiled code saves 1, which other code
        takes. Neither is counted: tables must not depend on a machine.
        """
        return self._passes(5, SLOPE, images, batch)

    def all_of(self, passes: Passes) -> Cost:
        """Of all that an iteration takes."""
        batch = passes.batch
        return (
            self.forward(passes.forward, batch)
            + self.training(passes.training, batch)
            + self.slope(passes.slope, batch)
            + Cost(passes.operations)
        )

    def _passes(self, first: int, rest: int, images: float, batch: float) -> Cost:
        """So many of the first layer, and of the others."""
        operations = first * self.first + rest * self.rest
        calls = images / batch if images and batch else 0.0
        return Cost(images * operations, 0.0, images * rest * self.written, calls * rest * self.layers)


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

    def new(self, run: Run) -> list[int]:
        """Decoded images of S_1, of S_2, and so on."""
        data = self.data(run.dataset)
        return new_images(run.stages, run.sizes, data.classes, data.shape)

    def unions(self, run: Run) -> list[int]:
        """Decoded images of S_1, of S_1 ∪ S_2, and so on."""
        return list(accumulate(self.new(run)))

    def seen(self, run: Run) -> list[int]:
        """Images that each stage of the curriculum trains on."""
        if not run.subsets:
            return [self.data(run.dataset).train]
        return self.unions(run) if run.evaluation.curriculum == "union" else self.new(run)

    def started(self, run: Run) -> int:
        """Real training images of each class that the subsets of a run start from, all together; of sums of memories,
        which the size of images decides, those that are known."""
        data = self.data(run.dataset)
        return sum(
            started_per_class(stage, ipc, data.classes, data.shape)
            for stage, ipc in zip(run.stages, run.sizes, strict=True)
            if needs_real(stage) and (data.train or stage.parameterisation != "memories")
        )

    def through(self, run: Run, work: Work) -> Cost:
        """Of a network on its way through all stages."""
        return self.learning(run, work, self.seen(run))

    def learning(self, run: Run, work: Work, seen: Sequence[int], times: float = 1) -> Cost:
        """Of a network that is trained on so many images, one set after another, as a run's evaluation is."""
        epochs, batch = times * run.evaluation.epochs, run.evaluation.batch_size
        return sum((work.training(epochs * images, min(batch, images)) for images in seen), Cost())

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
    return _trajectories(scale, dataset, recipe, scale.experiment.recorded_epochs[recipe, dataset], Cost())


def teachers(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    recipe, taught = run.stages[k - 1].experts, scale.seen(run)[: run.taught_by(k)]
    work = scale.work(run.dataset, scale.experiment.config.experts[recipe].architecture)
    before = scale.learning(run, work, taught)
    return _trajectories(scale, run.dataset, recipe, run.epochs(k), before)


def distillation(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    stage, work = run.stages[k - 1], scale.work(run.dataset, run.architecture)
    iterations = stage.iterations
    if run.rounds:
        number = wildcards.get("round", run.rounds)
        iterations = run.done_after(k, number) - (run.done_after(k, number - 1) if number else 0)
    kept = Cost(disk=snapshots(stage) * _stored(scale, run, k))
    if not iterations:
        return kept
    return kept + iterations * work.all_of(run.objective.cost(stage, images_of(scale, run, k)))


def images_of(scale: Scale, run: Run, k: int) -> Images:
    """What an iteration of subset k, from 1, deals with."""
    data, new, union = scale.data(run.dataset), scale.new(run)[k - 1], scale.unions(run)[k - 1]
    return Images(data.classes, data.train, new, union, data.shape[1] * data.shape[2])


def selection(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, k = scale.experiment.run_of(wildcards), wildcards["subset"]
    stage, seen, work = run.stages[k - 1], scale.seen(run), scale.work(run.dataset, run.architecture)
    kept = Cost(disk=_stored(scale, run, k))
    chosen_by = set(run.selections if k == run.subsets else run.selections[:1]) & {"validation", "test"}
    if not chosen_by:
        return kept
    data = scale.data(run.dataset)
    scored = sum({"validation": data.validation, "test": data.tested}[name] for name in chosen_by)
    earlier = scale.learning(run, work, seen[: k - 1], 1 if run.evaluation.momentum_restarts else snapshots(stage))
    trained = earlier + scale.learning(run, work, seen[k - 1 : k], snapshots(stage))
    tested = work.forward(snapshots(stage) * scored)
    return kept + scale.experiment.config.selection.networks * (trained + tested)


def evaluation(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    work, tested = scale.work(run.dataset, wildcards["architecture"]), scale.data(run.dataset).tested
    trained = run.evaluation.networks * (scale.through(run, work) + work.forward(tested))
    matched = wildcards["architecture"] == run.architecture
    return len(run.selections) * (trained + _own_protocol(scale, run, work)) if matched else trained


def _own_protocol(scale: Scale, run: Run, work: Work) -> Cost:
    """Of an evaluation by the objective's own protocol, where it has one."""
    if not run.own_protocol:
        return Cost()
    networks, tested = run.evaluation.networks, scale.data(run.dataset).tested
    sets = [replace(images_of(scale, run, k), real=tested) for k in range(1, run.subsets + 1)]
    passes = run.objective.own_cost(run.stages, sets, networks)
    return work.all_of(passes) + (work.forward(networks * tested) if passes.training else Cost())


def baselines(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    data, work = scale.data(run.dataset), scale.work(run.dataset, run.architecture)
    sizes = accumulate(run.sizes) if run.evaluation.curriculum == "union" else run.sizes
    random = scale.learning(run, work, [data.classes * size for size in sizes])
    trained, sets = (random + scale.through(run, work), 2) if run.soft else (random, 1)
    return run.evaluation.networks * (trained + work.forward(sets * data.tested))


def losses(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, difficulty = scale.experiment.run_of(wildcards), scale.experiment.config.difficulty
    work = scale.work(run.dataset, run.architecture)
    recorded = (difficulty.records * run.subsets + 1) * scale.data(run.dataset).train
    one = scale.through(run, work) + work.forward(recorded) + Cost(disk=NUMBER * recorded)
    return difficulty.networks * one


def coupling(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run, section = scale.experiment.run_of(wildcards), scale.experiment.config.coupling
    work, images = scale.work(run.dataset, run.architecture), scale.unions(run)[-1]
    directions = section.draws * (section.records + 1) * images
    products = work.slope(directions, images) + work.forward(directions, images)  # never compiled
    tested = work.forward(2 * scale.data(run.dataset).tested)
    return section.networks * (2 * scale.through(run, work) + products + tested)


def stages(scale: Scale, wildcards: dict[str, Any]) -> Cost:
    run = scale.experiment.run_of(wildcards)
    work, sets = scale.work(run.dataset, run.architecture), [*scale.unions(run), *scale.new(run)]
    tested = work.forward(2 * run.subsets * scale.data(run.dataset).tested)
    return run.evaluation.networks * (scale.learning(run, work, sets) + tested)


def snapshots(stage: config.Matching | config.Coreset) -> int:
    """How many copies of a subset are kept, the initial one too."""
    return 1 + min(stage.snapshots, stage.iterations)


def _stored(scale: Scale, run: Run, k: int) -> float:
    """Bytes of S_k."""
    data, size = scale.data(run.dataset), run.sizes[k - 1]
    return NUMBER * stored_numbers(run.stages[k - 1], size, data.classes, data.shape)


def _trajectories(scale: Scale, dataset: str, recipe: str, epochs: int, before: Cost) -> Cost:
    """A shard of networks that record epochs of real data, each after what it has been through before."""
    section, data = scale.experiment.config.experts[recipe], scale.data(dataset)
    work = scale.work(dataset, section.architecture)
    images_seen = epochs * data.train * (2 if section.rho else 1)
    width = NUMBER // 2 if section.storage == "float16" else NUMBER
    disk = Cost(disk=(epochs + 1) * work.parameters * width)
    recorded = work.training(images_seen, min(section.batch_size, data.train))
    return section.networks_per_shard * (before + recorded + disk)
