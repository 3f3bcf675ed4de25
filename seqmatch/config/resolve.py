"""From what the configuration says to what is run: one `Run` for each data set, method, and number of images per class.

Settings are layered: the usual values of the method, the general section, the cell's, the stage's own; the last one
that sets a key decides it. A method takes from the general sections what it reads; in its own stages a key that it does
not read is an error.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from seqmatch.config.catalog import (
    ASSUMED,
    LARGEST_WHITENED,
    NEED_PATH,
    SOURCES,
    WHITENING_BYTES,
    smallest_class,
    splits_of,
)
from seqmatch.config.experiment import RESERVED, AnyMatching, Cell, Config, Entry
from seqmatch.config.faults import explain
from seqmatch.config.methods import (
    METHODS,
    OBJECTIVES,
    SEQUENTIAL,
    Images,
    Method,
    Objective,
    standard_names,
)
from seqmatch.config.reading import laid_over
from seqmatch.config.sections import (
    LEARNED,
    SIZES,
    Coreset,
    Dataset,
    Evaluation,
    External,
    Matching,
    Section,
    SelectedBy,
    UnrolledMatching,
    asks_experts,
)
from seqmatch.config.storage import (
    check_stored,
    needs_real,
    new_images,
    started_per_class,
    subset_sizes,
)
from seqmatch.config.unread import OF_SEVERAL, refuse_unread, warnings
from seqmatch.errors import SeqmatchError, allowed

MATCHING_NORMS = ("instance", "none")
"""Normalisations without running statistics: the loss is then a pure function of the parameters."""

CHOOSING_EPOCHS = 21
"""Epochs of experts that only choose or label images, where the recipe does not say."""

T = TypeVar("T", bound=Section)


@dataclass(frozen=True)
class Run:
    """One method on one data set at one size, with every setting resolved."""

    dataset: str
    method: str
    ipc: int | Literal["all"]
    backbone: str
    """The method that it is or varies, a key of `METHODS`."""
    architecture: str
    """The architecture that is matched and whose accuracy is quoted, a key of `architectures`."""
    stages: tuple[Matching | Coreset | External, ...]
    """One entry per subset; empty for `whole`."""
    evaluation: Evaluation
    others: tuple[str, ...]
    """Other architectures that its synthetic sets are evaluated on; none for `whole`."""
    selections: tuple[SelectedBy, ...]
    """How snapshots are selected, the main selection first."""
    seeds: tuple[int, ...]
    """Distillation seeds; only the first one for `whole`, where nothing is distilled."""
    against: str | None
    """The method of the same cell that it is compared with, if it names one."""
    teachers: Literal["all", "first"]
    """The subsets that teachers of a later one went through."""
    rounds: int
    """In how many rounds subsets are distilled side by side; 0: one after the other."""
    analysed: bool
    """Whether its difficulty, coupling and stages are measured."""

    @property
    def declaration(self) -> Method:
        return METHODS[self.backbone]

    @property
    def objective(self) -> Objective | None:
        """What is matched; None where images stay as they are."""
        name = self.declaration.objective
        return None if name is None else OBJECTIVES[name]

    @property
    def subsets(self) -> int:
        """K, the number of subsets (0 for `whole`)."""
        return len(self.stages)

    @property
    def sizes(self) -> list[int]:
        """Images per class of each subset."""
        return subset_sizes(self.ipc, [stage.size for stage in self.stages]) if self.stages else []

    @property
    def distilled(self) -> bool:
        """Whether any image is moved."""
        return any(stage.iterations for stage in self.stages)

    @property
    def divisible(self) -> bool:
        """Whether it is distilled and can be split in two halves with every class."""
        return self.distilled and self.ipc >= 2

    @property
    def external(self) -> bool:
        """Whether its images are those of another program."""
        return self.declaration.unmoved is External

    @property
    def own_protocol(self) -> str | None:
        """What says how its images are judged besides as those of all methods, if anything was distilled."""
        return self.objective.own_protocol if self.objective and self.distilled else None

    @property
    def soft(self) -> bool:
        """Whether networks learn shares of classes that experts gave."""
        return any(getattr(stage, "soft_labels", False) for stage in self.stages)

    @property
    def sequential(self) -> bool:
        return self.subsets >= 2

    def done_after(self, k: int, number: int) -> int:
        """Iterations of subset k, from 1, that are done when a round ends; round 0 leaves the initial images."""
        stage = self.stages[k - 1]
        if number == self.rounds:
            return stage.iterations
        every = self.objective.resumes_every(stage)
        return stage.iterations * number // self.rounds // every * every

    def asks_experts(self, k: int) -> bool:
        """Whether experts choose or label the real images that subset k, from 1, starts from."""
        return asks_experts(self.stages[k - 1])

    def matches_experts(self, k: int) -> bool:
        """Whether subset k, from 1, is matched with the experts of a recipe."""
        return k == 1 and self._moves(k) and self.objective.needs == "trajectories"

    def uses_teachers(self, k: int) -> bool:
        """Whether subset k, from 1, needs networks of its own that went through the earlier subsets."""
        return k > 1 and self._moves(k) and self.objective.needs != "nothing"

    def taught_by(self, k: int) -> int:
        """How many of the subsets before subset k, from 1, its teachers went through."""
        return min(k - 1, 1) if self.teachers == "first" else k - 1

    def epochs(self, k: int) -> int:
        """Epochs on real data that the experts or teachers of subset k, from 1, record for it."""
        return self.objective.epochs(self.stages[k - 1])

    def shared_experts(self) -> Iterator[tuple[int, str]]:
        """Subsets, from 1, that take the experts of a recipe, to be matched or to choose or label; and the recipe."""
        for k, stage in enumerate(self.stages, start=1):
            if self.asks_experts(k) or self.matches_experts(k):
                yield k, stage.experts

    def _moves(self, k: int) -> bool:
        return self.stages[k - 1].iterations > 0


@dataclass(frozen=True)
class Experiment:
    """A configuration, and what it asks for."""

    config: Config
    runs: dict[tuple[str, str, str], Run]
    """By (data set, method, ipc as text), in the order of the tables."""

    def run_of(self, wildcards: Mapping[str, Any]) -> Run:
        """The run that a job's wildcards name.

        Raises:
            KeyError: there is none.
        """
        return self.runs[wildcards["dataset"], wildcards["method"], wildcards["ipc"]]

    @cached_property
    def recorded_epochs(self) -> dict[tuple[str, str], int]:
        """Epochs that experts record, by recipe and data set: what the recipe says, or as many as any student asks."""
        asked: dict[tuple[str, str], int] = {}
        for run in self.runs.values():
            for k, recipe in run.shared_experts():
                matched = run.epochs(k) if run.matches_experts(k) else 0
                asked[recipe, run.dataset] = max(asked.get((recipe, run.dataset), 0), matched)
        return {key: self.config.experts[key[0]].epochs or epochs or CHOOSING_EPOCHS for key, epochs in asked.items()}

    @cached_property
    def cross_seeds(self) -> list[int]:
        """Distillation seeds that are evaluated on other networks too."""
        return self.config.seeds[: self.config.cross_architecture.seeds]

    @cached_property
    def warnings(self) -> list[str]:
        """Keys of general sections, and entries, that nothing reads, a line each."""
        return warnings(self.config, [self._runs_of(cell) for cell in self.config.cells])

    def _runs_of(self, cell: Cell) -> list[Run]:
        return [self.runs[cell.dataset, method, str(cell.ipc)] for method in cell.methods]


def load(raw: dict[str, Any]) -> Experiment:
    """Validate a configuration as read from YAML, and resolve it.

    Raises:
        SeqmatchError: one line per fault: key, value, what is allowed.
    """
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise SeqmatchError(explain(error.errors(), raw, Config)) from None
    for section in ("datasets", "architectures", "experts"):
        for name, entry in getattr(config, section).items():
            refuse_unread(f"{section}.{name}", entry)
    _check_datasets(config)
    _check_experts(config)
    _check_names(config)
    runs: dict[tuple[str, str, str], Run] = {}
    for index, cell in enumerate(config.cells):
        for method, entry in cell.methods.items():
            key = f"cells[{index}].methods.{method}"
            run = _resolve(config, cell, method, entry or Entry(), key)
            identity = (cell.dataset, method, str(cell.ipc))
            if identity in runs:
                raise SeqmatchError(f"{key}: {' '.join(identity)} stands in another cell too; keep one of them")
            runs[identity] = run
    return Experiment(config, runs)


def _resolve(config: Config, cell: Cell, method: str, entry: Entry, key: str) -> Run:
    backbone = _backbone(method, entry, key)
    declared = METHODS[backbone]
    _check_subsets(cell, method, entry, declared, key)
    evaluation = _evaluation(config, cell, entry, declared)
    if entry.equal_compute is not None:
        entry, evaluation = _with_equal_compute(config, cell, method, entry, evaluation, key)
    refuse_unread(f"{key}.evaluation", evaluation, entry.evaluation.model_fields_set)
    whole = declared.subsets == "none"
    for name in sorted(OF_SEVERAL & entry.evaluation.model_fields_set):
        if len(entry.stages) == 1:
            raise SeqmatchError(f"{key}.evaluation.{name}: with one subset there is nothing to choose; leave it out")
    if whole and evaluation.learning_rate is None:
        raise SeqmatchError(f"{key}.evaluation.learning_rate: missing; real data have no learned step size")
    general = _read(declared, config.matching, cell.matching)
    place = f"cells[{config.cells.index(cell)}].matching"
    stages = () if whole else _stages(config, general, entry, method, declared, key)
    recipe = _recipe(config, general.get("experts"), place) if whole else stages[0].experts
    run = Run(
        dataset=cell.dataset,
        method=method,
        ipc=cell.ipc,
        backbone=backbone,
        architecture=config.experts[recipe].architecture,
        stages=stages,
        evaluation=evaluation,
        others=()
        if whole
        else tuple(config.cross_architecture.architectures if cell.architectures is None else cell.architectures),
        selections=_selections(config, cell, any(stage.iterations for stage in stages)),
        seeds=(config.seeds[0],) if whole else tuple(config.seeds),
        against=entry.against,
        teachers=entry.teachers,
        rounds=entry.rounds or 0,
        analysed=config.analysed is None or method in config.analysed,
    )
    _check_stages(config, run, key)
    if run.against is not None and run.against not in cell.methods.keys() - {method}:
        raise SeqmatchError(f"{key}.against = {run.against}: expected another method of this cell")
    tried = run.objective is not None and not run.distilled  # by a general `iterations: 0`
    if run.rounds:
        _check_rounds(run, key)
        run = replace(run, rounds=0) if tried else run
    if run.teachers == "first" and not tried and not any(run.uses_teachers(k) for k in range(3, run.subsets + 1)):
        raise SeqmatchError(f"{key}.teachers = first: it is for methods with teachers and three subsets or more")
    if run.external:
        _check_external(config, run, key)
    else:
        _check_size(config, run, key)
    return run


def _with_equal_compute(
    config: Config, cell: Cell, method: str, entry: Entry, evaluation: Evaluation, key: str
) -> tuple[Entry, Evaluation]:
    """Iterations and epochs of evaluation that cost what all stages cost of the method that `equal_compute` names.

    What an iteration costs depends on the images that it deals with: one of trajectory matching on those of its own
    subset. Classes and images of an `imagefolder` are assumed, since nothing has counted them.
    """
    name, place = entry.equal_compute, f"{key}.equal_compute"
    other = cell.methods.get(name) or Entry()
    if name not in cell.methods or other.equal_compute is not None or len(other.stages) < 2:
        several = [method for method, one in cell.methods.items() if one and len(one.stages) > 1]
        raise SeqmatchError(
            f"{place} = {name}: expected a method of this cell with several subsets ({', '.join(several) or 'none'})"
        )
    if len(entry.stages) > 1:
        raise SeqmatchError(f"{place}: it is for one subset; this method has {len(entry.stages)}")
    for given, where in ((entry.stages[0], "stages[0].iterations"), (entry.evaluation, "evaluation.epochs")):
        if where.rpartition(".")[2] in given.model_fields_set:
            raise SeqmatchError(f"{key}.{where}: equal_compute decides it; leave it out")
    run = _resolve(config, cell, name, other, f"{key.rpartition('.')[0]}.{name}")
    alone = _resolve(config, cell, method, entry.model_copy(update={"equal_compute": None}), key)
    if run.backbone != alone.backbone:
        raise SeqmatchError(f"{place} = {name}: it has the backbone {run.backbone}, not {alone.backbone}")
    sizes, (size,) = (_deals_with(config.datasets[cell.dataset], one) for one in (run, alone))
    if not all(images.new for images in (*sizes, size)):
        raise SeqmatchError(
            f"{place} = {name}: images of a folder are assumed to be of {ASSUMED.classes} classes, for which such "
            "memories leave no sums; set iterations and evaluation.epochs instead"
        )
    seen = [images.union if run.evaluation.curriculum == "union" else images.new for images in sizes]
    epochs = max(round(run.evaluation.epochs * sum(seen) / size.union), 1)
    iterations = 0  # a general 0, to try an experiment, is none that this stage sets
    if run.distilled:
        spent = [run.objective.cost(stage, images).work for stage, images in zip(run.stages, sizes, strict=True)]
        in_all = sum(stage.iterations * each for stage, each in zip(run.stages, spent, strict=True))
        iterations = max(round(in_all / alone.objective.cost(alone.stages[0], size).work), 1)
    stage = entry.stages[0].model_copy(update={"iterations": iterations} if iterations else {})
    return entry.model_copy(update={"stages": [stage]}), evaluation.model_copy(update={"epochs": epochs})


def _deals_with(dataset: Dataset, run: Run) -> list[Images]:
    """What an iteration of each subset deals with."""
    source = SOURCES.get(dataset.source, ASSUMED).resized(dataset.image_size)
    train = splits_of(source, dataset.test_fraction, dataset.validation_fraction).train
    new = new_images(run.stages, run.sizes, source.classes, source.shape)
    pixels = math.prod(source.shape[1:])
    return [Images(source.classes, train, *both, pixels) for both in zip(new, accumulate(new), strict=True)]


def _backbone(method: str, entry: Entry, key: str) -> str:
    """The method that this one is, or varies."""
    if method in RESERVED["methods"]:
        raise SeqmatchError(f"{key}: this name is taken by a folder of results; choose another")
    standard = standard_names()
    backbone = entry.backbone or standard.get(method)
    if backbone is None:
        raise SeqmatchError(
            f"{key}: unknown method; {allowed(method, standard)}; for a name of your own say with `backbone` what "
            f"it is a variant of ({', '.join(METHODS)}), and give it several `stages` for several subsets"
        )
    if backbone != standard.get(method, backbone):
        raise SeqmatchError(f"{key}.backbone = {backbone}: {method} has the backbone {standard[method]}")
    return backbone


def _check_subsets(cell: Cell, method: str, entry: Entry, declared: Method, key: str) -> None:
    whole, count = declared.subsets == "none", len(entry.stages)
    if whole != (cell.ipc == "all"):
        raise SeqmatchError(f"{key}: ipc = {cell.ipc}; `whole` goes with ipc `all`, every other method with a number")
    if whole:
        if "stages" in entry.model_fields_set:
            raise SeqmatchError(f"{key}.stages: {method} distils nothing and has none; leave it out")
        return
    if declared.subsets == "one" and method in METHODS and count > 1:
        raise SeqmatchError(f"{key}.stages: {count} subsets; {method} has one; for more use {SEQUENTIAL}{method}")
    if method.startswith(SEQUENTIAL) and "stages" not in entry.model_fields_set:
        raise SeqmatchError(f"{key}.stages: missing; give one entry per subset, such as [{{}}, {{}}] for two")
    if count > cell.ipc:
        raise SeqmatchError(f"{key}.stages: {count} subsets of ipc {cell.ipc}; use at most ipc subsets")


def _evaluation(config: Config, cell: Cell, entry: Entry, declared: Method) -> Evaluation:
    usual = dict(declared.evaluation)
    if declared.without:
        operations = config.datasets[cell.dataset].augmentation
        usual["augmentation"] = [name for name in operations if name not in declared.without]
    return _layered(Evaluation, usual, *map(_set, (config.evaluation, cell.evaluation, entry.evaluation)))


def _read(declared: Method, *sections: AnyMatching) -> dict[str, Any]:
    """What the method takes of general sections, over its usual values."""
    merged = declared.usual
    for section in sections:
        merged = laid_over(merged, {name: value for name, value in _set(section).items() if name in declared.reads})
    return merged


def _stages(
    config: Config, general: dict[str, Any], entry: Entry, method: str, declared: Method, key: str
) -> tuple[Any, ...]:
    """The section of each subset."""
    stages = []
    for index, own in enumerate(map(_set, entry.stages)):
        place = f"{key}.stages[{index}]"
        unread = [name for name in own if name not in declared.reads]
        if unread:
            raise SeqmatchError(f"{place}.{unread[0]}: {method} does not read it; it reads {', '.join(declared.reads)}")
        stage = _layered(declared.section, general, own, declared.fixed)
        if stage.iterations or "iterations" in own:  # a general 0, to try an experiment, leaves stages as they are
            refuse_unread(place, stage, own.keys() - {"formation"})
        if "learner" in own:
            refuse_unread(f"{place}.learner", stage.learner, own["learner"])
        changes = {"experts": _recipe(config, stage.experts, place)} | _sizes(stage, own, place)
        stages.append(stage.model_copy(update=changes))
    return tuple(stages)


def _sizes(stage: Matching | Coreset | External, own: dict[str, Any], place: str) -> dict[str, int]:
    """Those of a stage's parameterisation that it does not read, as if nothing had set them.

    A general section may set them for other methods.
    """
    name = stage.parameterisation
    if name == "multi-formation" and stage.formation == 1:
        raise SeqmatchError(f"{place}.formation = 1: {name} stores several images in one; set 2 or more, or `pixels`")
    if name != "multi-formation" and own.get("formation", 1) != 1:
        raise SeqmatchError(
            f"{place}.formation = {own['formation']}: images stored as {name} do not read it; set "
            "`parameterisation: multi-formation`, or leave it out"
        )
    read = SIZES.get(name, ())
    return {key: type(stage).model_fields[key].default for keys in SIZES.values() for key in keys if key not in read}


def _selections(config: Config, cell: Cell, distilled: bool) -> tuple[SelectedBy, ...]:
    if not distilled:
        return ("last",)
    main_selection: SelectedBy = "validation" if config.datasets[cell.dataset].validation_fraction > 0 else "last"
    return (main_selection, *(name for name in dict.fromkeys(config.selection.also) if name != main_selection))


def _check_stages(config: Config, run: Run, key: str) -> None:
    """What stages may not contradict: each other, the `ipc` of their cell, and the experts that they name."""
    try:
        run.sizes  # noqa: B018
    except ValueError as error:
        raise SeqmatchError(f"{key}.stages: {error}; `size` of all stages has to add up to ipc") from None
    same = ("soft_labels", "parameterisation", *(key for keys in SIZES.values() for key in keys))
    for name in (*same, "kernel", "kernel_depth", "ridge"):
        if len({getattr(stage, name, None) for stage in run.stages}) > 1:
            raise SeqmatchError(f"{key}.stages: {name} has to be the same in all of them")
    for k, stage in enumerate(run.stages, start=1):
        if stage.initial == "noise" and getattr(stage, "soft_labels", False):
            raise SeqmatchError(f"{key}.stages: soft_labels need images that experts know; noise has labels of its own")
        if stage.parameterisation in LEARNED and not run.declaration.objective:
            raise SeqmatchError(
                f"{key}.stages: parameterisation {stage.parameterisation}: {run.backbone} moves nothing, and "
                f"{stage.parameterisation} say something only once they are distilled"
            )
        if stage.fault:
            raise SeqmatchError(f"{key}.stages[{k - 1}]: {stage.fault}")
        if isinstance(stage, UnrolledMatching) and stage.parameterisation != "memories":  # which shapes decide about
            counts = [other.held * size for other, size in zip(run.stages[:k], run.sizes[:k], strict=True)]
            if unseen := stage.unseen(counts[-1], sum(counts)):
                raise SeqmatchError(f"{key}.stages[{k - 1}].{unseen}")
        recipe = config.experts[stage.experts]
        if recipe.architecture != run.architecture:
            raise SeqmatchError(f"{key}.stages: the experts of all stages must be of one architecture")
        if run.declaration.flat and stage.iterations and not recipe.rho:
            raise SeqmatchError(
                f"experts.{stage.experts}.rho = 0: {key} matches sharpness-aware experts; set it (published: 0.01), or "
                "name others with `experts`"
            )
        if run.matches_experts(k) and recipe.epochs is not None and recipe.epochs < run.epochs(k):
            raise SeqmatchError(
                f"experts.{stage.experts}.epochs = {recipe.epochs}: {key} can match up to epoch {run.epochs(k)}; raise "
                "it, or leave it out"
            )


def _check_rounds(run: Run, key: str) -> None:
    """Whether every round can do a part of every subset's iterations."""
    if not run.sequential or run.objective is None:
        raise SeqmatchError(f"{key}.rounds = {run.rounds}: it is for methods that distil several subsets; leave it out")
    for k, stage in enumerate(run.stages if run.distilled else (), start=1):
        ends = [run.done_after(k, number) for number in range(run.rounds + 1)]
        if len(set(ends)) <= run.rounds:
            every = run.objective.resumes_every(stage)
            raise SeqmatchError(
                f"{key}.rounds = {run.rounds}: the {stage.iterations} iterations of subset {k} cannot be divided into "
                f"so many parts{f' of whole {every} (updates_per_network)' if every > 1 else ''}; use fewer"
            )


def _check_external(config: Config, run: Run, key: str) -> None:
    """What each stage has to say of the files of another program."""
    for index, stage in enumerate(run.stages):
        place = f"{key}.stages[{index}]"
        for name in ("images", "step_size", "space", "reference"):
            if getattr(stage, name) is None:
                raise SeqmatchError(f"{place}.{name}: missing; a set of another program needs it")
        if (stage.mean is None) != (stage.std is None) or (stage.mean and stage.space == "pixels"):
            raise SeqmatchError(f"{place}: mean and std go together, and with `space: normalized`")
        if stage.mean is not None and len(stage.mean) != len(stage.std):
            raise SeqmatchError(f"{place}: {len(stage.mean)} of mean and {len(stage.std)} of std; one for each channel")
        whitened = config.datasets[run.dataset].normalization == "zca"
        if whitened and stage.formation > 1 and (stage.space == "pixels" or stage.mean is not None):
            raise SeqmatchError(
                f"{place}.formation = {stage.formation}: several images in one cannot be whitened; use a data set that "
                "is standardised"
            )


def _check_size(config: Config, run: Run, key: str) -> None:
    """Whether each class has as many training images as the run starts from, where the source's size is known."""
    dataset = config.datasets[run.dataset]
    source = SOURCES.get(dataset.source)
    if source is None or not run.stages:
        return
    size = source.classes, source.resized(dataset.image_size).shape
    most = smallest_class(source, splits_of(source, dataset.test_fraction, dataset.validation_fraction))
    check_stored(run.stages, run.ipc, *size, key)
    sizes = zip(run.stages, run.sizes, strict=True)
    needed = sum(started_per_class(stage, ipc, *size) for stage, ipc in sizes if needs_real(stage))
    if needed > most:
        first = run.stages[0]
        if first.parameterisation == "memories":
            raise SeqmatchError(
                f"{key}: the sums of memories start from {needed} real images of each class, but the smallest class of "
                f"{run.dataset} has {most} training images; set `initial: noise`, or use more memories"
            )
        each = f", and each stored image starts from {first.formation**2}" if first.formation > 1 else ""
        ipc = most * run.ipc // needed
        raise SeqmatchError(
            f"{key}: ipc = {run.ipc}: the smallest class of {run.dataset} has {most} training images{each}; use "
            + (f"at most ipc {ipc}" if ipc else "a smaller formation")
        )


def _recipe(config: Config, name: str | None, key: str) -> str:
    if name is not None:
        _one_of(f"{key}.experts", name, config.experts)
        return name
    if len(config.experts) != 1:
        several = f"the recipes of `experts` are {', '.join(config.experts)}: say which one"
        none = (
            "`experts` has no recipe; define one, whose `architecture` is that of the networks, also of those that test"
        )
        raise SeqmatchError(f"{key}.experts: missing; {several if config.experts else none}")
    return next(iter(config.experts))


def _layered(section: type[T], *layers: dict[str, Any]) -> T:
    """The last layer in which a key was set decides it; sections within are layered likewise, over their default."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = laid_over(merged, layer)
    nested = {
        name: laid_over(_set(field.default), merged[name])
        for name, field in section.model_fields.items()
        if isinstance(field.default, Section) and name in merged
    }
    return section(**merged | nested)


def _set(section: Section) -> dict[str, Any]:
    """What was set in a section, and in those within."""
    return section.model_dump(exclude_unset=True)


def _check_datasets(config: Config) -> None:
    for name in sorted(RESERVED["datasets"] & set(config.datasets)):
        raise SeqmatchError(f"datasets.{name}: this name is taken by a folder of results; choose another")
    for name, dataset in config.datasets.items():
        if dataset.source in NEED_PATH and dataset.path is None:
            raise SeqmatchError(f"datasets.{name}.path: missing; {dataset.source} needs the folder of its images")
        if dataset.source not in NEED_PATH and dataset.path is not None:
            raise SeqmatchError(
                f"datasets.{name}.path = {dataset.path}: {dataset.source} takes none; folders that have its files go "
                "into `data.mirrors`"
            )
        _check_splits(name, dataset)
        _check_whitening(name, dataset)


def _check_splits(name: str, dataset: Dataset) -> None:
    """Whether each class can stand in every split, where the source's size is known."""
    source = SOURCES.get(dataset.source)
    if source is None:
        return
    sizes = splits_of(source, dataset.test_fraction, dataset.validation_fraction)
    held_out = {"validation_fraction": sizes.validation or source.classes, "test_fraction": sizes.test}
    for key, count in held_out.items():
        if count < source.classes:
            fraction = getattr(dataset, key)
            raise SeqmatchError(
                f"datasets.{name}.{key} = {fraction}: holds out {count} images of {source.classes} classes; use a "
                "larger share"
            )
    if sizes.train < source.classes or smallest_class(source, sizes) < 1:
        raise SeqmatchError(
            f"datasets.{name}.validation_fraction = {dataset.validation_fraction}: leaves {sizes.train} training "
            f"images of {source.classes} classes; use smaller shares"
        )


def _check_whitening(name: str, dataset: Dataset) -> None:
    """Whether images can be whitened, where their size is known."""
    channels, side, _ = SOURCES[dataset.source].shape if dataset.source in SOURCES else (dataset.channels, 0, 0)
    numbers = channels * (dataset.image_size or side) ** 2
    if dataset.normalization == "zca" and numbers > LARGEST_WHITENED:
        raise SeqmatchError(
            f"datasets.{name}.normalization = zca: images of {numbers:,} numbers would need "
            f"{WHITENING_BYTES * numbers**2 / 1e9:.0f} GB of memory to be whitened, and no library works on such "
            f"matrices; use `standardize`, or an image_size up to {math.isqrt(LARGEST_WHITENED // channels)}"
        )


def _check_experts(config: Config) -> None:
    for name, experts in config.experts.items():
        _one_of(f"experts.{name}.architecture", experts.architecture, config.architectures)
        norm = config.architectures[experts.architecture].norm
        if norm not in MATCHING_NORMS:
            raise SeqmatchError(
                f"architectures.{experts.architecture}.norm = {norm}: trajectories are matched without running "
                f"statistics; experts need {' or '.join(MATCHING_NORMS)}"
            )


def _check_names(config: Config) -> None:
    for index, cell in enumerate(config.cells):
        _one_of(f"cells[{index}].dataset", cell.dataset, config.datasets)
        if cell.ipc == "all" and cell.architectures:
            raise SeqmatchError(
                f"cells[{index}].architectures: `whole` is trained on the matched architecture alone; leave it out"
            )
        for place, name in enumerate(cell.architectures or []):
            _one_of(f"cells[{index}].architectures[{place}]", name, config.architectures)
    methods = {name: None for cell in config.cells for name in cell.methods}
    for index, name in enumerate(config.analysed or []):
        _one_of(f"analysed[{index}]", name, methods)
    for index, name in enumerate(config.cross_architecture.architectures):
        _one_of(f"cross_architecture.architectures[{index}]", name, config.architectures)


def _one_of(key: str, value: str, names: dict[str, Any]) -> None:
    if value not in names:
        raise SeqmatchError(f"{key} = {value}: not defined; {allowed(value, names)}")
