"""What an experiment will cost: jobs, operations and disk, counted from its configuration before anything runs.

Operations are those of convolutions and linear layers, a bound from below on the work; docs/scaling.md has the
formulas.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from seqmatch import config, networks
from seqmatch.config import Config, Run
from seqmatch.config.catalog import Source, pixels_of, size_of
from seqmatch.synthetic.subset import subset_sizes

NUMBER = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Cost:
    """Jobs of one rule for one data set."""

    rule: str
    dataset: str
    jobs: int
    operations: float = 0.0
    """Floating-point operations of all of them."""
    disk: float = 0.0
    """Bytes that stay on the disk."""


@dataclass(frozen=True)
class _Work:
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
        """A student's step and its part of the exact gradient: 3 passes, and 8 for the directional derivative's."""
        return (2 + 5) * self.first + (3 + 8) * self.rest


@dataclass(frozen=True)
class _Data:
    """A data set, as far as costs depend on it."""

    name: str
    images: int
    """Of the training split."""
    tested: int
    classes: int
    pixels: int
    """Numbers in an image."""
    work: Callable[[str], _Work]
    """By the name of a network."""


def costs(settings: Config) -> list[Cost]:
    """What every rule that computes costs, in the order of the work."""
    runs = config.runs(settings).values()
    found = []
    for name in dict.fromkeys(run.dataset for run in runs):
        found += _of_dataset(settings, name, [run for run in runs if run.dataset == name])
    return found


def _of_dataset(settings: Config, name: str, runs: list[Run]) -> Iterator[Cost]:
    source = settings.datasets[name]
    size = size_of(source)
    pixels = size.shape[0] * size.shape[1] * size.shape[2]

    @cache
    def work(network: str) -> _Work:
        return _Work(*networks.size(settings.networks[network], size.shape, max(size.classes, 2)))

    data = _Data(name, _training_images(source, size), size.test, size.classes, pixels, work)
    statistics = NUMBER * pixels**2 if source.normalization == "zca" else 0
    yield Cost("prepare_dataset", name, 1, disk=pixels_of(source) + statistics)
    for recipe in dict.fromkeys(stage.experts for run in runs for stage in config.shared_experts(run)):
        epochs = config.recorded_epochs(settings, recipe, name)
        yield _trajectories("train_experts", data, settings.experts[recipe], epochs)
    for run in runs:
        yield from _of_stages(settings, data, run)
        yield from _of_measurements(settings, data, run)


def _of_stages(settings: Config, data: _Data, run: Run) -> Iterator[Cost]:
    """Teachers, distillation and choice of snapshots of every stage."""
    seen, seeds = _seen(data, run), len(run.seeds)
    matched = data.work(run.network)
    for k, stage in enumerate(run.stages):
        if k and config.uses_teachers(stage):
            epochs = config.teacher_epochs(stage)
            through = run.evaluation.epochs * sum(seen[:k])
            one = _trajectories("train_teachers", data, settings.experts[stage.experts], epochs, through)
            yield replace(one, jobs=seeds * one.jobs, operations=seeds * one.operations, disk=seeds * one.disk)
        new = seen[k] - (seen[k - 1] if k else 0)
        kept = 1 + min(stage.snapshots, stage.iterations)
        subset = NUMBER * new / stage.formation**2 * data.pixels
        operations = stage.iterations * _an_iteration(stage, data, matched, new, seen[k])
        yield Cost("distill_subset", data.name, seeds, seeds * operations, seeds * kept * subset)
        scored = "validation" in run.protocols or "test" in run.protocols
        trained = settings.selection.networks * run.evaluation.epochs * (sum(seen[:k]) + kept * seen[k]) * scored
        yield Cost("select_snapshot", data.name, seeds, seeds * trained * matched.training, seeds * subset)


def _an_iteration(stage: config.Matching, data: _Data, work: _Work, new: int, union: int) -> float:
    """Operations of one update of a subset of `new` images, the last part of a `union`."""
    real = data.classes * stage.real_batch
    if stage.objective == "distribution":
        return (real + 3 * union) * work.forward
    if stage.objective == "gradient":
        learning = stage.network_epochs * union * work.training
        return (3 * real + 9 * union) * work.forward + learning * (1 - 1 / stage.updates_per_network)
    if stage.objective == "condensation":
        shown = min(stage.synthetic_batch * data.classes if stage.synthetic_batch else union, union)
        learning = min(stage.network_images, data.images) * work.training
        return (3 * real + 9 * shown) * work.forward + learning * (1 - 1 / stage.updates_per_network)
    batch = min(stage.synthetic_batch or new, union)
    return stage.experts_per_step * stage.synthetic_steps * batch * work.matching


def _of_measurements(settings: Config, data: _Data, run: Run) -> Iterator[Cost]:
    """Evaluation on every architecture, loss records, coupling, and what each stage adds."""
    seen, seeds = _seen(data, run), len(run.seeds)
    through = run.evaluation.epochs * sum(seen)
    others = len(settings.seeds[: settings.cross_architecture.seeds])
    own = (run.network, seeds, len(run.protocols))
    for network, jobs, choices in (own, *((other, others, 1) for other in run.architectures)):
        work = data.work(network)
        operations = run.evaluation.networks * choices * (through * work.training + data.tested * work.forward)
        yield Cost("evaluate", data.name, jobs, jobs * operations)
    work = data.work(run.network)
    if any(stage.iterations for stage in run.stages):
        recorded = (settings.difficulty.records * run.subsets + 1) * data.images
        operations = settings.difficulty.networks * (through * work.training + recorded * work.forward)
        disk = NUMBER * settings.difficulty.networks * recorded
        yield Cost("record_losses", data.name, seeds, seeds * operations, seeds * disk)
        if run.ipc >= 2:
            coupling = settings.coupling
            products = coupling.draws * (coupling.records + 1) * seen[-1] * work.matching
            tested = 2 * data.tested * work.forward
            operations = coupling.networks * (2 * through * work.training + products + tested)
            yield Cost("measure_coupling", data.name, seeds, seeds * operations)
    if run.subsets >= 2:
        both = through + run.evaluation.epochs * seen[-1]  # on unions, and on each subset alone
        operations = both * work.training + 2 * run.subsets * data.tested * work.forward
        yield Cost("measure_stages", data.name, seeds, seeds * run.evaluation.networks * operations)


def _seen(data: _Data, run: Run) -> list[int]:
    """Images that each stage of the curriculum trains on."""
    if not run.subsets:
        return [data.images]
    sizes = [
        size * stage.formation**2 for size, stage in zip(subset_sizes(run.ipc, run.subsets), run.stages, strict=True)
    ]
    return [data.classes * sum(sizes[: k + 1]) for k in range(run.subsets)]


def _trajectories(rule: str, data: _Data, recipe: config.Experts, epochs: int, through: int = 0) -> Cost:
    """Networks that see `through` synthetic images, then `epochs` of real ones."""
    images_seen = through + epochs * data.images * (2 if recipe.rho else 1)
    count, work = recipe.shards * recipe.networks_per_shard, data.work(recipe.network)
    width = NUMBER // 2 if recipe.storage == "float16" else NUMBER
    disk = count * (epochs + 1) * work.parameters * width
    return Cost(rule, data.name, recipe.shards, count * images_seen * work.training, disk)


def _training_images(source: config.Dataset, size: Source) -> int:
    kept = size.train if size.test else size.train * (1 - source.test_fraction)
    return round(kept * (1 - source.validation_fraction))
