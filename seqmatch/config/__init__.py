"""The vocabulary of a run: what config.yaml may say, as typed models. Imports no torch.

`load` validates a configuration and stops with one line per fault that names the key, the value and what
is allowed. `runs` resolves it into one `Run` for each (data set, method, images per class): settings are
layered, the general section first, then the cell's, then the method's or the stage's own.
"""

import difflib
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import ValidationError as PydanticError

from seqmatch.config.catalog import NEED_PATH, SOURCES
from seqmatch.errors import SeqmatchError

NAME = r"[a-z0-9]+(?:[-_][a-z0-9]+)*"
"""Names become parts of paths: lower-case letters and digits, joined by single hyphens or underscores."""

STANDARD_METHODS = {
    "random": "random",
    "herding": "herding",
    "k-center": "k-center",
    "dc": "dc",
    "dsa": "dsa",
    "dm": "dm",
    "mtt": "mtt",
    "seqmatch-mtt": "mtt",
    "ftd": "ftd",
    "seqmatch-ftd": "ftd",
    "idc": "idc",
    "seqmatch-idc": "idc",
    "whole": "whole",
}
"""Method names that need no `backbone` key, and the backbone of each."""

BACKBONES = tuple(dict.fromkeys(STANDARD_METHODS.values()))

RESERVED = {"datasets": {"benchmarks", "figures"}, "methods": {"experts"}}
"""Names that would be mistaken for other folders under results/."""

DOWNLOADED = tuple(name for name, source in SOURCES.items() if source.downloaded)
"""Sources whose published files are fetched."""

CORESETS = ("random", "herding", "k-center")
"""Backbones that choose real images and leave them as they are."""

FTD_EMA = 0.999
"""Decay of the average of FTD's images where no `ema` is set; published: 0.999 to 0.9999."""

MATCHING_NORMS = ("instance", "none")
"""Normalisations without running statistics: the loss is then a pure function of the parameters."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _ascending(values: list[float]) -> list[float]:
    if sorted(set(values)) != values:
        raise ValueError("expected ascending, distinct fractions")
    return values


Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
Place = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A folder or a URL: no control characters, which no path of good will has, and which garble commands and messages."""
Count = Annotated[int, Field(strict=True, ge=1)]
BatchSize = Annotated[int, Field(strict=True, ge=2)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
Fraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_no_bool)]
OpenFraction = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_no_bool)]
Factor = Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_bool)]
Operation = Literal["color", "crop", "cutout", "flip", "scale", "rotate"]
Protocol = Literal["validation", "last", "test"]
CompileMode = Literal["auto", "always", "never"]
Precision = Literal["float32", "tf32", "bfloat16"]


T = TypeVar("T", bound="Section")


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Section):
    """One data set, how it is split and normalised, and how its images may vary."""

    source: Literal["imagefolder", *SOURCES] = Field(description="where the images come from")
    path: Place | None = Field(
        None,
        description="folder of an `imagefolder` (`train/<class>/`, `test/<class>/`; or `<class>/` alone), or of "
        "ImageNet-1k (`train/<wnid>/`, `val/<wnid>/`) for its subsets; other sources need none",
    )
    image_size: Annotated[int, Field(strict=True, ge=8, le=128)] | None = Field(
        None,
        description="pixels of a side: the short one is resized to it, the middle kept; by default images stay as they "
        "are (ImageNet subsets: 128)",
    )
    channels: Literal[1, 3] = Field(3, description="of an `imagefolder`: 3 for colour, 1 for grey")
    test_fraction: OpenFraction = Field(
        0.25,
        description="share of the images held out as test data, where the source has no test split",
    )
    split_seed: Whole = Field(0, description="another number holds out other images")
    validation_fraction: Fraction = Field(
        0.1,
        description="share of the training images held out to choose snapshots; "
        "0 is the paper's setting and makes `last` the headline",
    )
    normalization: Literal["standardize", "zca", "none"] = Field(
        "standardize", description="fitted on the training split, applied to every split"
    )
    zca_regularization: Positive = Field(0.1, description="added to the eigenvalues before whitening")
    augmentation: list[Operation] = Field(
        ["color", "crop", "cutout", "flip", "scale", "rotate"],
        description="DSA operations, one drawn for each batch; [] for none; leave out `flip` for digits",
    )


class Network(Section):
    """An architecture, independent of image size and number of classes."""

    family: Literal["convnet", "resnet18", "vgg11", "alexnet"] = Field(description="kind of network")
    width: Count = Field(
        128,
        le=4096,
        description="channels of the first block (standard: ConvNet, AlexNet 128; ResNet18, VGG11 64)",
    )
    depth: Annotated[int, Field(strict=True, ge=1, le=7)] = Field(
        3, description="blocks of a ConvNet; other families ignore it"
    )
    norm: Literal["instance", "batch", "none"] = Field(
        "instance", description="normalisation; matching needs `instance` or `none`"
    )


class Training(Section):
    """Stochastic gradient descent."""

    augmentation: list[Operation] | None = Field(None, description="DSA operations; by default those of the data set")
    augmentation_form: Literal["single", "composed"] = Field(
        "single",
        description="`single`: one operation for each batch; `composed`, IDC's: flip, colour, one of crop, scale and "
        "rotate, and cutout, as far as they are among them",
    )
    cutmix: Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_bool)] = Field(
        0.0, description="probability that a batch is cut and mixed (CutMix), after DSA"
    )

    batch_size: BatchSize = Field(256, description="images a step; a leftover of one joins the batch before it")
    momentum: Fraction = Field(0.0, description="momentum of SGD")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty")
    decay_at: Annotated[list[Fraction], AfterValidator(_ascending)] = Field(
        [], description="fractions of the epochs at which the learning rate is multiplied by `decay_factor`"
    )
    decay_factor: Factor = Field(0.1, description="factor on the learning rate")
    precision: Precision = Field(
        "float32",
        description="arithmetic of convolutions and matrix products in training; `tf32` (on GPUs alone) and `bfloat16` "
        "are faster and round; matching and test passes never do",
    )


class Experts(Training):
    """Networks trained on real data whose parameters are recorded after every epoch."""

    network: Name = Field(description="a key of `networks`")
    shards: Count = Field(1, description="files, and so jobs, the experts are spread over")
    networks_per_shard: Count = Field(10, description="experts in a file")
    learning_rate: Positive = Field(0.01, description="step size on real data")
    rho: NotNegative = Field(
        0.0, description="radius of sharpness-aware training (GSAM), which FTD needs; published: 0.01; 0: plain SGD"
    )
    gsam_alpha: NotNegative = Field(
        0.3, description="with `rho`: how much the part of the gradient across the perturbed one counts against it"
    )
    epochs: Count | None = Field(None, description="epochs recorded; by default as many as any first stage can match")
    storage: Literal["float32", "float16"] = Field(
        "float32",
        description="precision on disk; `float16` rounds each network's way from its start, and halves the files",
    )


class Matching(Section):
    """How one subset is distilled by trajectory matching."""

    experts: Name | None = Field(None, description="a key of `experts`; may be left out if there is just one")
    initial: Literal["random", "herding", "k-center"] = Field(
        "random", description="which real images a subset starts from; the latter two see them through an expert's eyes"
    )
    formation: Annotated[int, Field(strict=True, ge=1, le=8)] = Field(
        1,
        description="images that each stored one holds along a side, shrunk; networks see each of them at full size "
        "(multi-formation; `idc`: 2 unless set)",
    )
    objective: Literal["trajectory", "gradient", "distribution", "condensation"] = Field(
        "trajectory",
        description="what is matched: pieces of expert trajectories; each class's gradient in networks that learn from "
        "the synthetic images; its mean features in random networks; or its gradient in networks that learn from real "
        "images (the methods `dc`, `dsa`, `dm` and `idc` set it)",
    )
    real_batch: Count = Field(
        256, description="but with `trajectory`: real images of each class in an iteration (`idc`: 64 unless set)"
    )
    updates_per_network: Count = Field(
        10,
        description="with `gradient`, `condensation`: iterations with one network; its state is not saved between them "
        "(`idc`: 100 unless set)",
    )
    distance: Literal["squared", "absolute"] = Field(
        "squared", description="with `condensation`: of gradients; published: `absolute` (L1) for MNIST"
    )
    network_images: Count = Field(
        2000, description="with `condensation`: real images that the network learns from between two iterations"
    )
    network_epochs: Count = Field(
        50, description="with `gradient`: epochs on the synthetic images that the network learns between two iterations"
    )
    augment_matching: bool = Field(True, strict=True, description="whether what is matched is augmented (`dc`: not)")
    soft_labels: bool = Field(
        False,
        strict=True,
        description="with `trajectory`: label initial images with the mean prediction of the experts, instead of "
        "their class; the same for all stages",
    )
    iterations: Whole = Field(5000, description="updates of the synthetic images; 0 keeps the initial ones")
    snapshots: Count = Field(10, description="copies kept at even intervals, besides the initial one")
    synthetic_steps: Count = Field(30, description="SGD steps of the student in an iteration")
    expert_epochs: Count = Field(2, description="epochs of the expert that those steps should match (M)")
    max_start_epoch: Count = Field(20, description="start epochs are drawn from 0 … this − 1")
    experts_per_step: Count = Field(
        1, description="pieces of trajectories that one update matches; their losses and gradients are averaged"
    )
    synthetic_batch: Count | None = Field(
        None,
        description="images a student step, by default as many as the subset being distilled has; with `condensation` "
        "images of each class in an iteration, by default all",
    )
    optimizer: Literal["sgd", "adam"] = Field(
        "sgd", description="updates images and step size (`idc`: `sgd` unless set)"
    )
    momentum: Fraction = Field(0.5, description="momentum of `sgd`; `adam` ignores it (`idc`: 0 unless set)")
    ema: Fraction = Field(
        0.0,
        description="decay of the exponential moving average of the images, which is what is kept; 0: the images "
        f"themselves (`ftd`: {FTD_EMA} unless set)",
    )
    lr_images: Positive = Field(100.0, description="learning rate of the synthetic images (`idc`: 0.1 unless set)")
    lr_step_size: NotNegative = Field(1e-5, description="learning rate of the step size")
    initial_step_size: Positive = Field(0.01, description="step size of the student at the start")


OBJECTIVES = {
    "dc": Matching(objective="gradient", augment_matching=False),
    "dsa": Matching(objective="gradient"),
    "dm": Matching(objective="distribution"),
    "idc": Matching(objective="condensation"),
}
"""What the backbones without trajectories match."""

ONE_LEVEL = ("dc", "dsa", "dm", "mtt", "ftd", "idc")
"""Methods of one subset: more of them are the `seqmatch-…` of it."""

USUAL = {
    "ftd": Matching(ema=FTD_EMA),
    "idc": Matching(formation=2, real_batch=64, updates_per_network=100, optimizer="sgd", momentum=0.0, lr_images=0.1),
}
"""What a backbone does unless the configuration says otherwise."""


class Evaluation(Training):
    """Training of fresh networks on a distilled curriculum, or real data for `whole`; `idc` has defaults of its own."""

    momentum: Fraction = Field(0.9, description="momentum of SGD")
    weight_decay: NotNegative = Field(5e-4, description="L2 penalty")
    decay_at: Annotated[list[Fraction], AfterValidator(_ascending)] = Field(
        [0.5],
        description="fractions of a stage's epochs at which the learning rate is multiplied by `decay_factor`",
    )
    networks: Count = Field(5, description="networks trained from different initialisations")
    epochs: Count = Field(1000, description="epochs of each stage")
    learning_rate: Positive | None = Field(
        None, description="step size; by default each stage's own learned one; needed for `whole`"
    )
    curriculum: Literal["union", "subset"] = Field(
        "union",
        description="stage k trains networks on S_1 ∪ … ∪ S_k, or on S_k alone; matching always takes the union",
    )


USUAL_EVALUATION = {
    "idc": Evaluation(
        learning_rate=0.01,
        batch_size=64,
        decay_at=[2 / 3, 5 / 6],
        decay_factor=0.2,
        augmentation_form="composed",
        cutmix=0.5,
    )
}
"""How the synthetic sets of a backbone are evaluated unless the configuration says otherwise; IDC's without cutout."""


class Selection(Section):
    """How one snapshot is chosen: on the validation split, or the last one where there is none. Never on test data."""

    networks: Count = Field(1, description="networks that score each snapshot")
    also: list[Literal["last", "test"]] = Field(
        ["last", "test"],
        description="other choices evaluated beside it on the matched network; `test` is the field's usual protocol, "
        "and optimistic; nothing is distilled after it",
    )


class CrossArchitecture(Section):
    """Evaluation of the synthetic sets on other networks than the one they were distilled with."""

    architectures: list[Name] = Field([], description="keys of `networks`; [] for no such table")
    seeds: Count | None = Field(None, description="how many of `seeds`, from the first; by default all")


class Difficulty(Section):
    """The hard and easy split of the real training instances."""

    networks: Count = Field(3, description="networks whose losses are recorded")
    records: Count = Field(20, description="records a stage, at even intervals of its epochs")


class Coupling(Section):
    """How much the images that react most to a student hold of what the others teach."""

    networks: Count = Field(
        3, description="networks that the images' amplifications are averaged over, and that are trained on each half"
    )
    records: Count = Field(
        4, description="moments of an image's own stage, besides its start, at which its amplification is estimated"
    )
    draws: Count = Field(4, description="random directions of an estimate")


class Method(Section):
    """A method in a cell of the table; every key may be left out."""

    backbone: Literal[*BACKBONES] | None = Field(
        None, description="for a name of your own, such as `mtt-long`: the method that it is a variant of"
    )
    stages: Annotated[list[Matching], Field(min_length=1)] = Field(
        [Matching()],
        description="one entry a subset (K entries), each with what differs from `matching`; needed for `seqmatch-…`",
    )
    evaluation: Evaluation = Field(Evaluation(), description="what differs from `evaluation`")


class Cell(Section):
    """One column of Table 1: a data set at a number of images per class, and the methods to run."""

    dataset: Name = Field(description="a key of `datasets`")
    ipc: Count | Literal["all"] = Field(description="synthetic images per class; `all` for the method `whole`")
    methods: dict[Name, Method | None] = Field(description="by name; an empty value takes every default")
    matching: Matching = Field(Matching(), description="what differs from the general `matching`")
    evaluation: Evaluation = Field(Evaluation(), description="what differs from the general `evaluation`")
    architectures: list[Name] | None = Field(
        None, description="networks that this cell is evaluated on, instead of `cross_architecture.architectures`"
    )


class Data(Section):
    """Where the files of data sets are looked for before they are downloaded."""

    sources: dict[Literal[*DOWNLOADED], list[Place]] = Field(
        {},
        description="for a source, folders on this machine or URLs of folders that hold its published files, tried in "
        "this order before their authors' own",
    )


class Config(Section):
    """A whole experiment."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="`auto` asks for GPUs where the planning machine has one"
    )
    compile: CompileMode = Field(
        "auto",
        description="PyTorch's compiler for the inner loops: `auto` uses it where the work is long enough to repay "
        "compiling, and does without it where it fails",
    )
    seeds: Annotated[list[Whole], Field(min_length=1)] = Field([0], description="distillation seeds")
    datasets: dict[Name, Dataset] = Field(description="data sets by name")
    data: Data = Field(Data(), description="where their files come from")
    networks: dict[Name, Network] = Field(description="architectures by name")
    experts: dict[Name, Experts] = Field({}, description="recipes for expert trajectories by name")
    matching: Matching = Field(Matching(), description="settings of every stage, unless overridden")
    evaluation: Evaluation = Field(Evaluation(), description="settings of every evaluation, unless overridden")
    selection: Selection = Field(Selection(), description="choice of snapshots")
    difficulty: Difficulty = Field(Difficulty(), description="hard and easy instances")
    coupling: Coupling = Field(Coupling(), description="coupling of synthetic images")
    cells: Annotated[list[Cell], Field(min_length=1)] = Field(description="what to run")
    cross_architecture: CrossArchitecture = Field(CrossArchitecture(), description="the second table")


@dataclass(frozen=True)
class Run:
    """One method on one data set at one size, with every setting resolved."""

    dataset: str
    method: str
    ipc: int | Literal["all"]
    backbone: str
    network: str
    """The network that is matched and whose accuracy is the headline, a key of `networks`."""
    stages: tuple[Matching, ...]
    """One entry a subset; empty for `whole`."""
    evaluation: Evaluation
    architectures: tuple[str, ...]
    """Other networks that its synthetic sets are evaluated on; none for `whole`."""
    protocols: tuple[Protocol, ...]
    """How snapshots are chosen, the headline first."""
    seeds: tuple[int, ...]
    """Distillation seeds; only the first one for `whole`, where nothing is distilled."""

    @property
    def subsets(self) -> int:
        """K, the number of subsets (0 for `whole`)."""
        return len(self.stages)


def load(raw: dict[str, Any]) -> Config:
    """Validate a configuration as read from YAML.

    Raises:
        SeqmatchError: one line per fault: key, value, what is allowed.
    """
    try:
        config = Config.model_validate(raw)
    except PydanticError as error:
        raise SeqmatchError(_explain(error.errors(), raw)) from None
    runs(config)
    return config


def runs(config: Config) -> dict[tuple[str, str, str], Run]:
    """Every run that `config` asks for, by (data set, method, ipc as text), in the order of the tables.

    Raises:
        SeqmatchError: names the key that contradicts another.
    """
    _check_references(config)
    found: dict[tuple[str, str, str], Run] = {}
    for index, cell in enumerate(config.cells):
        for method, settings in cell.methods.items():
            key = f"cells[{index}].methods.{method}"
            if method in RESERVED["methods"]:
                raise SeqmatchError(f"{key}: this name is taken by a folder of results; choose another")
            run = _resolve(config, cell, method, settings or Method(), key)
            identity = (cell.dataset, method, str(cell.ipc))
            if identity in found:
                raise SeqmatchError(f"{key}: {' '.join(identity)} stands in another cell too; keep one of them")
            found[identity] = run
    return found


def recorded_epochs(config: Config, recipe: str, dataset: str) -> int:
    """Epochs that the experts of `recipe` record on `dataset`: no more than is asked of them."""
    return config.experts[recipe].epochs or max(
        epochs_needed(stage)
        for run in runs(config).values()
        for stage in shared_experts(run)
        if run.dataset == dataset and stage.experts == recipe
    )


def shared_experts(run: Run) -> list[Matching]:
    """The stages of a run that take the experts of a recipe: to be matched, or to choose or label real images."""
    return [stage for k, stage in enumerate(run.stages) if asks_experts(stage) or (k == 0 and matches_experts(stage))]


def matches_experts(stage: Matching) -> bool:
    """Whether a stage matches trajectories: those of experts if it is the first one, else of teachers."""
    return stage.iterations > 0 and stage.objective == "trajectory"


def asks_experts(stage: Matching) -> bool:
    """Whether experts choose or label the real images that a stage starts from."""
    return stage.initial != "random" or stage.soft_labels


def uses_teachers(stage: Matching) -> bool:
    """Whether a later stage needs networks that went through the earlier subsets."""
    return stage.iterations > 0 and stage.objective in ("trajectory", "condensation")


def epochs_needed(stage: Matching) -> int:
    """The last expert epoch that a student may be asked to reach."""
    return stage.max_start_epoch - 1 + stage.expert_epochs


def teacher_epochs(stage: Matching) -> int:
    """Epochs on real data that the teachers of a later stage record; 0 where networks only start from them."""
    return epochs_needed(stage) if stage.objective == "trajectory" else 0


def _resolve(config: Config, cell: Cell, method: str, settings: Method, key: str) -> Run:
    backbone = settings.backbone or STANDARD_METHODS.get(method)
    if backbone is None:
        raise SeqmatchError(
            f"{key}: unknown method; {_allowed(method, STANDARD_METHODS)}; for a name of your own say with `backbone` "
            f"what it is a variant of ({', '.join(BACKBONES)}), and give it several `stages` for several subsets"
        )
    if method in STANDARD_METHODS and backbone != STANDARD_METHODS[method]:
        raise SeqmatchError(f"{key}.backbone = {backbone}: {method} has the backbone {STANDARD_METHODS[method]}")
    if (backbone == "whole") != (cell.ipc == "all"):
        raise SeqmatchError(f"{key}: ipc = {cell.ipc}; `whole` goes with ipc `all`, every other method with a number")

    evaluation = _layered(
        _usual_evaluation(backbone, config.datasets[cell.dataset]),
        config.evaluation,
        cell.evaluation,
        settings.evaluation,
    )
    if backbone == "whole":
        if evaluation.learning_rate is None:
            raise SeqmatchError(f"{key}.evaluation.learning_rate: missing; real data have no learned step size")
        network = _matched_network(config, _layered(config.matching, cell.matching), key)
        return Run(
            dataset=cell.dataset,
            method=method,
            ipc="all",
            backbone=backbone,
            network=network,
            stages=(),
            evaluation=evaluation,
            architectures=(),
            protocols=("last",),
            seeds=(config.seeds[0],),
        )

    if method in ONE_LEVEL and len(settings.stages) > 1:
        raise SeqmatchError(
            f"{key}.stages: {len(settings.stages)} subsets; {method} has one; for more use {_sequential(method)}"
        )
    if method.startswith("seqmatch-") and "stages" not in settings.model_fields_set:
        raise SeqmatchError(f"{key}.stages: missing; give one entry a subset, such as [{{}}, {{}}] for two")
    if len(settings.stages) > cell.ipc:
        raise SeqmatchError(f"{key}.stages: {len(settings.stages)} subsets of ipc {cell.ipc}; use at most ipc subsets")
    usual = USUAL.get(backbone, Matching())
    stages = tuple(_layered(usual, config.matching, cell.matching, stage) for stage in settings.stages)
    if backbone in CORESETS:
        stages = tuple(_layered(stage, Matching(iterations=0, initial=backbone)) for stage in stages)
    network = _matched_network(config, stages[0], key)
    stages = tuple(
        _layered(stage, Matching(experts=_recipe(config, stage, f"{key}.stages[{i}]")))
        for i, stage in enumerate(stages)
    )
    if any(config.experts[stage.experts].network != network for stage in stages):
        raise SeqmatchError(f"{key}.stages: the experts of all stages must be of one network")
    recorded = config.experts[stages[0].experts].epochs
    if backbone in OBJECTIVES:
        stages = tuple(_layered(stage, OBJECTIVES[backbone]) for stage in stages)
    if any(stage.soft_labels and stage.objective != "trajectory" for stage in stages):
        raise SeqmatchError(
            f"{key}.stages: soft_labels = true, but {backbone} compares classes; only trajectories take them"
        )
    for name in ("soft_labels", "formation"):
        if len({getattr(stage, name) for stage in stages}) > 1:
            raise SeqmatchError(f"{key}.stages: {name} has to be the same in all of them")
    for stage in stages:
        if backbone == "ftd" and stage.iterations and not config.experts[stage.experts].rho:
            raise SeqmatchError(
                f"experts.{stage.experts}.rho = 0: {key} matches sharpness-aware experts; set it (published: 0.01), or "
                "name others with `experts`"
            )
    if matches_experts(stages[0]) and recorded is not None and recorded < epochs_needed(stages[0]):
        raise SeqmatchError(
            f"experts.{stages[0].experts}.epochs = {recorded}: {key} can match up to epoch {epochs_needed(stages[0])}; "
            "raise it, or leave it out"
        )
    validated = config.datasets[cell.dataset].validation_fraction > 0
    distilled = any(stage.iterations for stage in stages)
    headline: Protocol = "validation" if validated and distilled else "last"
    also = [protocol for protocol in dict.fromkeys(config.selection.also) if protocol != headline]
    protocols = (headline, *also) if distilled else (headline,)
    others = config.cross_architecture.architectures if cell.architectures is None else cell.architectures
    return Run(
        dataset=cell.dataset,
        method=method,
        ipc=cell.ipc,
        backbone=backbone,
        network=network,
        stages=stages,
        evaluation=evaluation,
        architectures=tuple(others),
        protocols=protocols,
        seeds=tuple(config.seeds),
    )


def _sequential(method: str) -> str:
    name = f"seqmatch-{method}"
    return name if name in STANDARD_METHODS else f"a name of your own with `backbone: {method}`"


def _usual_evaluation(backbone: str, dataset: Dataset) -> Evaluation:
    if backbone not in USUAL_EVALUATION:
        return Evaluation()
    return _layered(
        USUAL_EVALUATION[backbone], Evaluation(augmentation=[name for name in dataset.augmentation if name != "cutout"])
    )


def _matched_network(config: Config, stage: Matching, key: str) -> str:
    return config.experts[_recipe(config, stage, key)].network


def _recipe(config: Config, stage: Matching, key: str) -> str:
    if stage.experts is not None:
        _one_of(f"{key}.experts", stage.experts, config.experts)
        return stage.experts
    if len(config.experts) != 1:
        raise SeqmatchError(
            f"{key}.experts: missing; `experts` has {len(config.experts)} recipes, so say which one "
            f"({', '.join(config.experts) or 'none defined'})"
        )
    return next(iter(config.experts))


def _layered(*layers: T) -> T:
    """The last layer in which a key was set decides it."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {name: getattr(layer, name) for name in layer.model_fields_set}
    return type(layers[0])(**merged)


def _check_references(config: Config) -> None:
    for name in RESERVED["datasets"] & set(config.datasets):
        raise SeqmatchError(f"datasets.{name}: this name is taken by a folder of results; choose another")
    for name, dataset in config.datasets.items():
        if dataset.source in NEED_PATH and dataset.path is None:
            raise SeqmatchError(f"datasets.{name}.path: missing; {dataset.source} needs the folder of its images")
        if dataset.source not in NEED_PATH and dataset.path is not None:
            raise SeqmatchError(
                f"datasets.{name}.path = {dataset.path}: {dataset.source} takes none; folders that have its files go "
                "into `data.sources`"
            )
    for name, experts in config.experts.items():
        _one_of(f"experts.{name}.network", experts.network, config.networks)
        norm = config.networks[experts.network].norm
        if norm not in MATCHING_NORMS:
            raise SeqmatchError(
                f"networks.{experts.network}.norm = {norm}: trajectories are matched without running statistics; "
                f"experts need {' or '.join(MATCHING_NORMS)}"
            )
    for index, cell in enumerate(config.cells):
        _one_of(f"cells[{index}].dataset", cell.dataset, config.datasets)
        for place, name in enumerate(cell.architectures or []):
            _one_of(f"cells[{index}].architectures[{place}]", name, config.networks)
    for index, name in enumerate(config.cross_architecture.architectures):
        _one_of(f"cross_architecture.architectures[{index}]", name, config.networks)


def _one_of(key: str, value: str, allowed: dict[str, Any]) -> None:
    if value not in allowed:
        raise SeqmatchError(f"{key} = {value}: not defined; {_allowed(value, allowed)}")


def _allowed(value: str, names: Any) -> str:
    near = difflib.get_close_matches(str(value), list(names), n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(names) or 'nothing'}"


def _explain(faults: list[Any], raw: Any) -> str:
    """One line for each key at fault; what the branches of a union allow is joined."""
    lines: dict[str, list[str]] = {}
    for fault in faults:
        path = _keys_of(fault, raw)
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{_printed(part)}" for part in path).lstrip(".")
        if fault["type"] == "extra_forbidden":
            lines[key] = [f"unknown key; {_allowed(str(path[-1]), _keys(Config, path[:-1]))}"]
        elif fault["type"] == "missing":
            lines[key] = ["missing; this key is needed"]
        else:
            value = repr(fault["input"])
            shown = value if len(value) <= 60 else value[:57] + "…"
            section = fault["type"] in ("model_type", "dict_type")
            message = "expected keys with values below it, or nothing at all" if section else fault["msg"]
            lines.setdefault(f"{key or 'configuration'} = {shown}", []).append(message)
    return "\n".join(f"{start}: {', or: '.join(messages)}" for start, messages in lines.items())


def _printed(key: str) -> str:
    return key if key.isprintable() else repr(key)


def _keys_of(fault: Any, raw: Any) -> list[str | int]:
    """The keys that lead to a fault in what was read, without pydantic's names for the branches of unions."""
    node, path = raw, []
    for part in fault["loc"]:
        if (isinstance(node, dict) and part in node) or (isinstance(node, list) and isinstance(part, int)):
            node = node[part]
            path.append(part)
    return [*path, fault["loc"][-1]] if fault["type"] == "missing" else path


def _keys(annotation: Any, path: list[str | int]) -> list[str]:
    """The keys allowed at `path` below a model."""
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]
        while get_origin(annotation) in (Annotated, types.UnionType):
            annotation = get_args(annotation)[0]
    return list(annotation.model_fields)
