"""Keys that are given but read by nothing: an error where given for that very thing, else a warning."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from seqmatch.config.catalog import IMAGENET_SUBSETS, SOURCES
from seqmatch.config.experiment import AnyMatching, Config
from seqmatch.config.sections import (
    LEARNED,
    SIZES,
    Architecture,
    CondensationMatching,
    Coreset,
    Dataset,
    Evaluation,
    Experts,
    HallucinationMatching,
    LearnedLabels,
    LearningMatching,
    Matching,
    RangedMatching,
    Section,
    Stored,
    Training,
)
from seqmatch.errors import SeqmatchError

Runs = Collection[Any]
"""Each a `seqmatch.config.resolve.Run`."""


OF_SEVERAL = {"curriculum", "step_sizes", "momentum_restarts"}
"""Keys of `evaluation` that tell how stages follow each other: with one subset there is nothing to choose."""


@dataclass(frozen=True)
class Condition:
    """A key that is read only where others have certain values."""

    section: type[Section]
    key: str
    read: Callable[[Any], bool]
    """Whether it is, in a section."""
    reader: str
    """What would read it, in words."""
    instead: str = "leave it out"
    """What to do about it."""


def _own_test_split(dataset: Dataset) -> bool:
    return dataset.source in SOURCES and SOURCES[dataset.source].test > 0


CONDITIONS = (
    Condition(Dataset, "channels", lambda d: d.source not in SOURCES, "an imagefolder"),
    Condition(
        Dataset,
        "fit",
        lambda d: d.source in IMAGENET_SUBSETS or (d.source not in SOURCES and d.image_size is not None),
        "a subset of ImageNet, or an imagefolder with `image_size`,",
    ),
    Condition(Dataset, "test_fraction", lambda d: not _own_test_split(d), "a source without a test split of its own"),
    Condition(
        Dataset,
        "split_seed",
        lambda d: d.validation_fraction > 0 or not _own_test_split(d),
        "a data set of which images are held out",
    ),
    Condition(Dataset, "zca_regularization", lambda d: d.normalization == "zca", "`normalization: zca`"),
    *(
        Condition(Architecture, key, lambda a: not a.own, "a family of the package", "give it in `options`")
        for key in ("width", "depth", "norm")
    ),
    Condition(Architecture, "depth", lambda a: a.family == "convnet", "a convnet"),
    Condition(Architecture, "options", lambda a: a.own, "a class of your own", "set width, depth or norm"),
    Condition(Experts, "gsam_alpha", lambda e: e.rho > 0, "a recipe with `rho`"),
    Condition(Experts, "adaptive", lambda e: e.rho > 0, "a recipe with `rho`"),
    Condition(
        Training,
        "decay_restarts",
        lambda t: len(t.decay_at) > 0 and t.momentum > 0,
        "training with `decay_at` and `momentum`",
    ),
    Condition(Evaluation, "step_sizes", lambda e: e.learning_rate is None, "an evaluation without `learning_rate`"),
    Condition(Evaluation, "momentum_restarts", lambda e: e.momentum > 0, "an evaluation with `momentum`"),
    Condition(Training, "decay_factor", lambda t: len(t.decay_at) > 0, "training with `decay_at`"),
    Condition(Training, "augmentation_form", lambda t: t.augmentation != [], "training with `augmentation`"),
    Condition(Matching, "momentum", lambda m: m.optimizer == "sgd", "`optimizer: sgd`"),
    Condition(Matching, "beta1", lambda m: m.optimizer == "adam", "`optimizer: adam`"),
    *(
        Condition(
            Stored, key, lambda s, key=key: key in SIZES.get(s.parameterisation, ()), f"`parameterisation: {name}`"
        )
        for name, keys in SIZES.items()
        for key in keys
    ),
    Condition(LearnedLabels, "lr_labels", lambda m: m.soft_labels, "`soft_labels: true`"),
    Condition(
        LearnedLabels,
        "momentum_labels",
        lambda m: m.soft_labels and m.lr_labels > 0,
        "a stage with `soft_labels` and `lr_labels`",
    ),
    Condition(
        RangedMatching,
        "expansion_iterations",
        lambda m: m.initial_max_start_epoch is not None,
        "a stage with `initial_max_start_epoch`",
    ),
    *(
        Condition(HallucinationMatching, key, lambda m: m.lr_adversary > 0, "a stage with `lr_adversary` above 0")
        for key in ("likeness", "updates_per_network")
    ),
    Condition(
        Matching,
        "lr_decoder",
        lambda m: m.parameterisation in LEARNED,
        " or ".join(f"`parameterisation: {name}`" for name in LEARNED),
    ),
    *(
        Condition(section, key, lambda m: m.updates_per_network > 1, "a stage with `updates_per_network` above 1")
        for section, key in (
            (LearningMatching, "network_epochs"),
            (LearningMatching, "learner"),
            (CondensationMatching, "network_images"),
            (CondensationMatching, "learner"),
        )
    ),
    *(
        Condition(Matching, key, lambda m: m.iterations > 0, "a stage that moves images (`iterations`)")
        for key in AnyMatching.model_fields
        if key not in ("iterations", *Coreset.model_fields)
    ),
)
"""Every such key."""


def unread(section: Section, keys: Collection[str]) -> Iterator[Condition]:
    """Those of `keys` that nothing reads while the section's others are as they are."""
    for condition in CONDITIONS:
        if isinstance(section, condition.section) and condition.key in keys and not condition.read(section):
            yield condition


def refuse_unread(place: str, section: Section, keys: Collection[str] | None = None) -> None:
    """Refuse keys that were given for this very section, and that nothing reads.

    Args:
        keys: those that were given, if others than the ones set in `section`.

    Raises:
        SeqmatchError: names the first one.
    """
    for found in unread(section, section.model_fields_set if keys is None else keys):
        raise SeqmatchError(
            f"{place}.{found.key} = {getattr(section, found.key)}: {found.reader} alone reads it; {found.instead}"
        )


def warnings(config: Config, by_cell: Collection[Runs]) -> list[str]:
    """Keys of general sections, and entries, that nothing reads, a line each.

    Args:
        by_cell: the runs of each cell.
    """
    runs = [run for cell in by_cell for run in cell]
    lines = [*_unread_settings("", config, runs, "the experiment")]
    for index, (cell, own) in enumerate(zip(config.cells, by_cell, strict=True)):
        lines += _unread_settings(f"cells[{index}].", cell, own, "this cell")
    return [*lines, *_unused_entries(config, runs), *_unused_sections(config, runs)]


def _unread_settings(place: str, of: Any, runs: Runs, what: str) -> Iterator[str]:
    for key in sorted(of.matching.model_fields_set - _read_by(runs)):
        yield f"{place}matching.{key}: no method of {what} reads it"
    for key in sorted(of.evaluation.model_fields_set):
        if all(key in _unread_of_evaluation(run) for run in runs):
            yield f"{place}evaluation.{key}: no method of {what} reads it"


def _unread_of_evaluation(run: Any) -> set[str]:
    """Keys of `evaluation` that nothing of a run reads."""
    found = {condition.key for condition in unread(run.evaluation, type(run.evaluation).model_fields)}
    return found if run.subsets > 1 else found | OF_SEVERAL


def _read_by(runs: Runs) -> set[str]:
    """Keys of `matching` that a run reads in any of its stages."""
    read = {key for run in runs if not run.stages for key in run.declaration.reads}
    for run in runs:
        for stage in run.stages:
            read |= set(run.declaration.reads) - {found.key for found in unread(stage, run.declaration.reads)}
    return read


def _unused_entries(config: Config, runs: Runs) -> Iterator[str]:
    """Entries that are defined, and that no run leads to."""
    recipes = {stage.experts for run in runs for stage in run.stages}
    of_whole = {run.architecture for run in runs if not run.stages}  # its recipe only names an architecture
    recipes |= {name for name, recipe in config.experts.items() if recipe.architecture in of_whole}
    used = {
        "datasets": {run.dataset for run in runs},
        "experts": recipes,
        "architectures": {name for run in runs for name in (run.architecture, *run.others)},
        "data.mirrors": {config.datasets[run.dataset].source for run in runs},
    }
    for section, names in used.items():
        for name in attrgetter(section)(config):
            if name not in names:
                yield f"{section}.{name}: nothing of the experiment uses it"
    recorded = {recipe for run in runs for _, recipe in run.shared_experts()}
    taught = {stage.experts for run in runs for k, stage in enumerate(run.stages, start=1) if run.uses_teachers(k)}
    for name in sorted(recipes - recorded):
        given = sorted(config.experts[name].model_fields_set - {"architecture"})
        if name in taught and config.experts[name].epochs is not None:
            yield f"experts.{name}.epochs: it trains teachers alone, which record what their stages match"
        elif name not in taught and given:
            yield f"experts.{name}: no method of the experiment needs experts, so nothing reads {', '.join(given)}"


def _unused_sections(config: Config, runs: Runs) -> Iterator[str]:
    """Sections that say how to measure what the experiment has not."""
    measured = {
        "difficulty": any(run.distilled and run.analysed for run in runs),
        "coupling": any(run.divisible and run.analysed for run in runs),
        "selection": any(run.distilled for run in runs),
        "fair_comparison": any(run.stages for run in runs),
    }
    for section, anything in measured.items():
        if section in config.model_fields_set and not anything:
            yield f"{section}: it applies to nothing of the experiment"
    scored = any(set(run.selections) - {"last"} for run in runs if run.distilled)
    if "networks" in config.selection.model_fields_set and measured["selection"] and not scored:
        yield "selection.networks: the last snapshot is taken everywhere, so none is scored"
    own = all(cell.architectures is not None or cell.ipc == "all" for cell in config.cells)
    if config.cross_architecture.architectures and own:
        yield "cross_architecture.architectures: every cell has its own"
    if "seeds" in config.cross_architecture.model_fields_set and not any(run.others for run in runs):
        yield "cross_architecture.seeds: nothing is evaluated on other architectures"
