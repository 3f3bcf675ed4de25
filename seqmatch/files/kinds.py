"""Every kind of file that is kept: its tensors and header, or the columns of its table. No torch, no pandas.

Whoever reads a file names its kind, and has what is declared here or an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from seqmatch.config.sections import (
    SIZES,
    Architecture,
    Count,
    Evaluation,
    Name,
    NotNegative,
    Operation,
    Parameterisation,
    SeedNumber,
    SelectedBy,
    Stored,
    Whole,
)
from seqmatch.files.schema import Array, Header, Kind, Row, in_words

Ipc = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,8}|all)$")]
"""Images per class, as it stands in tables and names of files."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
ClassNames = Annotated[list[Text], Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]
Points = Annotated[float, Field(ge=-100, le=100)]
Measured = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of networks that may go astray without failing: it has no upper bound."""
Share = Annotated[float, Field(ge=0, le=1)]
Numbers = Annotated[int, Field(strict=True, ge=1)]
"""How many are stored."""

FINGERPRINT_NUMBERS = 256
"""Of what a whitening is known by."""

FileName = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^/\x00-\x1f\x7f]+$")]
FetchedFiles = Annotated[
    dict[FileName, Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]], Field(min_length=1)
]
"""The list of a source's files beside them: SHA-256 by name."""


class RunParameters(Header):
    """Which run a job was of, as far as those that read its file ask."""

    dataset: Name
    method: Name
    ipc: Ipc
    seed: SeedNumber


class SubsetParameters(RunParameters):
    subset: Count


class OfRun(Header):
    parameters: RunParameters


class OfSubset(Header):
    parameters: SubsetParameters


class PreparationParameters(Header):
    zca_regularization: Annotated[Number, Field(gt=0)] = 0.1


class PreparedParameters(Header):
    """Those of the job that prepared a data set."""

    dataset: Name = "unknown"
    preparation: PreparationParameters = PreparationParameters()
    images: Count | None = None
    """Of all splits."""
    levels: list[Number] | None = None
    """What its images are known by: as of `seqmatch.data.dataset.levels_of`."""


class DatasetHeader(Header):
    class_names: ClassNames
    augmentation: list[Operation]
    parameters: PreparedParameters = PreparedParameters()

    def dimensions(self) -> dict[str, int]:
        return {"classes": len(self.class_names)}


class MatchingParameters(Header):
    iterations: Whole = 0


class DistilledParameters(Header):
    """Those of the job that distilled a subset."""

    matching: MatchingParameters = MatchingParameters()
    subset_count: Count = 1
    architecture: dict[str, Any] = Field({})


class MadeSubset(Header):
    """How a subset of a set was made."""

    distilled: DistilledParameters = DistilledParameters()
    iteration: Whole | None = None


class AboutSet(MadeSubset):
    """How a set was made."""

    subsets: list[MadeSubset] = Field([])
    prepared: PreparedParameters = PreparedParameters()
    versions: dict[str, Any] = Field({})


class StoredHeader(Header):
    parameterisation: Parameterisation
    class_names: ClassNames | None = None
    parameters: dict[str, Any] = Field({})
    distilled: DistilledParameters = DistilledParameters()
    iteration: Whole | None = None
    prepared: PreparedParameters = PreparedParameters()

    def dimensions(self) -> dict[str, int]:
        return {"classes": len(self.class_names)} if self.class_names else {}


class LearnedParameters(Header):
    """How networks learn from a subset."""

    architecture: Architecture
    evaluation: Evaluation


class WholeHeader(StoredHeader):
    """That of a subset as the workflow writes it: nothing else is needed to learn from it."""

    class_names: ClassNames
    augmentation: list[Operation]
    parameters: LearnedParameters


class MeasuredAccuracy(Header):
    """The accuracy of networks of one architecture that learned from a set, in percent on real test images."""

    architecture: Name
    mean: Percent | None
    """None where a network failed."""
    std: Percent | None = None
    """Over networks."""
    networks: Count


class StoredSubset(Header):
    parameterisation: Parameterisation


class SetHeader(Header):
    """That of a distilled set in one file."""

    subsets: Annotated[list[StoredSubset], Field(min_length=1, max_length=1000)]
    normalized: Literal["standardized", "whitened", "whitened, statistics elsewhere", "unknown"]
    class_names: ClassNames
    augmentation: list[Operation]
    architecture: Architecture
    evaluation: Evaluation
    accuracies: list[MeasuredAccuracy]
    about: AboutSet

    def dimensions(self) -> dict[str, int]:
        return {"classes": len(self.class_names)}


class NamedHeader(StoredHeader):
    """That of a subset whose images are shown with the names of their classes."""

    class_names: ClassNames


class TableHeader(Header):
    """The provenance beside a table."""

    checksum: str
    text: list[str] = Field(["ipc"])
    """Columns that hold text."""
    device: Text = ""
    versions: dict[str, str] = Field({})


def _of_stored(arrays: Mapping[str, np.ndarray], header: StoredHeader, copies: int = 0) -> str:
    """How the images are stored, within the bounds of the configuration.

    Args:
        copies: 1 where there are several of everything that is distilled.
    """
    name = header.parameterisation
    missing = [key for key in SIZES.get(name, ()) if key in _SIZES and key not in arrays]
    settings = {"parameterisation": name, **{key: arrays[key].item() for key in _SIZES if key in arrays}}
    if missing:
        return f"images stored as {name}, but no {missing[0]}"
    try:
        stored = Stored.model_validate(settings)
    except ValidationError as error:
        return in_words(error, settings, Stored)
    count, images = len(arrays["labels"]), arrays["images"].shape[copies:]
    decoder = {
        key.removeprefix(DECODER): array.shape[copies:] for key, array in arrays.items() if key.startswith(DECODER)
    }
    if set(decoder) != set(_DECODERS.get(name, ())):
        return f"images stored as {name} have {', '.join(_DECODERS.get(name, ())) or 'no decoder'} with them"
    shape = (images[1], *decoder["memories"][1:]) if name == "memories" and len(images) == 2 else images
    if images[0] != count or len(shape) != 4:
        return f"images: expected {count} stored as {name}, found {images}"
    channels, *sides = shape[1:]
    if channels not in (1, 3):
        return f"images of {channels} channels: expected 1 (grey) or 3 (colour)"
    if stored.formation > (min(sides) if name == "multi-formation" else 1):
        return f"formation = {stored.formation}: images of {min(sides)} pixels stored as {name} hold no such grid"
    if name == "memories" and decoder["memories"][0] != images[1]:
        return f"decoder.memories: expected {images[1]}, one for each coefficient, found {decoder['memories'][0]}"
    if name == "hallucinators" and not _can_hallucinate(decoder, stored.hallucinators, channels, sides):
        return f"decoder: no {stored.hallucinators} hallucinators of images of {channels}×{sides[0]}×{sides[1]}"
    if name == "memories":
        sides = [stored.memory_scale * side for side in sides]
    looks = [arrays[key].shape[1:] for key in ("pixels", "initial_pixels") if key in arrays]
    if any(look != (channels, *sides) for look in looks):
        return f"pixels: expected images of {channels}×{sides[0]}×{sides[1]}, found {looks}"
    seen = count * stored.held
    shown = count if name == "multi-formation" else seen
    counts = {"soft_labels": seen, "pixels": shown, "initial_pixels": shown}
    wrong = [key for key, number in counts.items() if key in arrays and len(arrays[key]) != number]
    return f"{wrong[0]}: expected {counts[wrong[0]]}, found {len(arrays[wrong[0]])}" if wrong else ""


def _can_hallucinate(decoder: Mapping[str, Sequence[int]], count: int, channels: int, sides: Sequence[int]) -> bool:
    """Whether the shapes of hallucinators fit the images."""
    if len(decoder["encoder"]) != 5:
        return False
    middle, kernel = decoder["encoder"][1], decoder["encoder"][-1]
    maps = (count, middle, *(side - kernel + 1 for side in sides))
    return decoder == {
        "encoder": (count, middle, channels, kernel, kernel),
        "encoder_bias": (count, middle),
        "scale": maps,
        "shift": maps,
        "decoder": (count, middle, channels, kernel, kernel),
        "decoder_bias": (count, channels),
    }


def _of_snapshots(arrays: Mapping[str, np.ndarray], header: StoredHeader) -> str:
    return _of_course(arrays, header) or _of_stored(arrays, header, copies=1)


def _of_course(arrays: Mapping[str, np.ndarray], header: Any) -> str:
    iterations, done = arrays["iterations"], len(arrays["matching_losses"])
    if iterations[0] != 0 or iterations[-1] > done or (np.diff(iterations) <= 0).any():
        return f"iterations: expected them to ascend from 0 to at most {done}, those whose losses it has"
    return ""


def _of_splits(arrays: Mapping[str, np.ndarray], header: Any) -> str:
    splits = [arrays[f"split.{name}"] for name in ("train", "validation", "test")]
    if not np.array_equal(np.sort(np.concatenate(splits)), np.arange(len(arrays["labels"]))):
        return "split.train, split.validation and split.test: expected every image in exactly one of them"
    if any((np.diff(split) <= 0).any() for split in splits):
        return "split.train, split.validation and split.test: expected ascending numbers of images"
    return ""


def _of_losses(arrays: Mapping[str, np.ndarray], header: Any) -> str:
    if (np.diff(arrays["epochs"]) <= 0).any() or (np.diff(arrays["stages"]) < 0).any():
        return "epochs, stages: expected them to ascend"
    return ""


_REGULARIZATION = {"zca_regularization": Array("float64", positive=True)}


def _whitening(numbers: str) -> dict[str, Array]:
    """Of images of so many numbers."""
    return {"zca_mean": Array("float32", numbers), "zca_matrix": Array("float32", f"{numbers} {numbers}")}


NORMALIZATIONS = {
    "standardized": {"mean": Array("float32", "C"), "std": Array("float32", "C", positive=True)},
    "whitened": {**_REGULARIZATION, **_whitening("numbers")},
    "whitened, statistics elsewhere": {
        **_REGULARIZATION,
        "zca_fingerprint": Array("float32", str(FINGERPRINT_NUMBERS)),
    },
    "unknown": {},
}
"""What a set holds of the normalisation of its images."""

DATASET = Kind(
    "a prepared data set",
    {
        "images": Array("uint8", "N C H W"),
        "labels": Array("int64", "N", low=0, below="classes"),
        "split.train": Array("int64", "train", low=0, below="N"),
        "split.validation": Array("int64", "validation", low=0, below="N", empty=True),
        "split.test": Array("int64", "test", low=0, below="N", empty=True),
    },
    DatasetHeader,
    (NORMALIZATIONS["standardized"], {**_REGULARIZATION, **_whitening("C*H*W")}, _whitening("C*H*W")),
    _of_splits,
)

DECODER = "decoder."
"""Before the names of what is stored once for all images of a subset."""

_DECODERS = {
    "memories": ("memories",),
    "hallucinators": ("encoder", "encoder_bias", "scale", "shift", "decoder", "decoder_bias"),
}
_SIZES = ("formation", "memory_scale", "hallucinators")
"""Of parameterisations, as files tell them."""

_STORED = {
    "formation": Array("int64"),
    "memory_scale": Array("int64", optional=True),
    "hallucinators": Array("int64", optional=True),
    "labels": Array("int64", "n", low=0, below="classes"),
    "soft_labels": Array("float32", "seen classes", low=0, high=1.001, optional=True),
    **{DECODER + name: Array("float32", "...", optional=True) for names in _DECODERS.values() for name in names},
}
"""The numbers of images and the shapes of decoders are for `_of_stored` to compare."""

_LEARNED_LABELS = replace(_STORED["soft_labels"], shape="S seen classes")

_SUBSET = {
    "images": Array("float32", "n ..."),
    "step_size": Array("float64", positive=True),
    "rates": Array("float64", "T", positive=True, optional=True),
    "pixels": Array("uint8", "shown C height width"),
    "initial_pixels": Array("uint8", "shown C height width", optional=True),
    **_STORED,
}

_OF_SUBSET = (*filter(None, NORMALIZATIONS.values()), _whitening("numbers"))
"""The last is the form of earlier versions."""

SUBSET = Kind("a distilled subset", _SUBSET, StoredHeader, _OF_SUBSET, _of_stored)
NAMED_SUBSET = Kind(SUBSET.about, _SUBSET, NamedHeader, SUBSET.either, _of_stored)
WHOLE_SUBSET = Kind("a subset that the workflow distilled", _SUBSET, WholeHeader, SUBSET.either, _of_stored)

SET_HEADER = Kind("a distilled set in one file", header=SetHeader)
"""Of its tensors nothing is looked at: `distilled_set` says what they are."""


def distilled_set(count: int, normalized: str) -> Kind:
    """A set of so many subsets in one file, normalised as `NORMALIZATIONS` says."""
    numbers = range(1, count + 1)

    def fault(arrays: Mapping[str, np.ndarray], header: SetHeader) -> str:
        if len({arrays[f"subset{k}.pixels"].shape[1:] for k in numbers if f"subset{k}.pixels" in arrays}) > 1:
            return "subsets of images of different sizes"
        return next(filter(None, (_of_stored(part(arrays, k), header.subsets[k - 1]) for k in numbers)), "")

    arrays = {
        f"subset{k}.{name}": replace(
            array,
            shape=" ".join(
                f"{symbol}{k}" if symbol in ("n", "seen", "shown") else symbol for symbol in array.shape.split()
            ),
            optional=array.optional or name == "pixels",
        )
        for k in numbers
        for name, array in _SUBSET.items()
        if name != "initial_pixels"
    }
    return Kind(SET_HEADER.about, arrays, SetHeader, (NORMALIZATIONS[normalized],), fault)


def part(arrays: Mapping[str, np.ndarray], k: int) -> dict[str, np.ndarray]:
    """The tensors of subset k, by their names in a file of their own."""
    return {name.removeprefix(f"subset{k}."): array for name, array in arrays.items() if name.startswith(f"subset{k}.")}


_COURSE = {
    "iterations": Array("int64", "S", low=0),
    "step_sizes": Array("float64", "S", positive=True),
    "rates": Array("float64", "S T", positive=True, optional=True),
    "matching_losses": Array("float64", "iterations", empty=True),
    "step_size_course": Array("float64", "iterations", positive=True, empty=True),
}

SNAPSHOTS = Kind(
    "snapshots of a subset",
    {"images": Array("float32", "S n ..."), "learned_labels": _LEARNED_LABELS, **_STORED, **_COURSE},
    StoredHeader,
    fault=_of_snapshots,
)
COURSE = Kind(SNAPSHOTS.about, _COURSE, OfSubset, fault=_of_course)
"""Snapshots without their images."""

EXPERTS = Kind(
    "a shard of experts",
    either=(
        {"trajectories": Array("float32", "experts moments P")},
        {"starts": Array("float32", "experts P"), "moves": Array("float16", "experts moments P")},
    ),
)
"""Its numbers are looked at as they are read, a network at a time: the files may be larger than any memory."""

LOSSES = Kind(
    "losses of real images",
    {
        "losses": Array("float32", "E R N", low=0),
        "epochs": Array("int64", "R", low=0, high=10**9),
        "stages": Array("int64", "R", low=1, high=10**9),
    },
    OfRun,
    fault=_of_losses,
)

ANYTHING = Kind("a tensor file")
"""Nothing is checked but that it is whole."""


def distillation_state(live: Mapping[str, Any], kept: Mapping[str, Any], sizes: Mapping[str, int]) -> Kind:
    """A moment of the distillation of a subset, with tensors in use like those in `live`.

    Args:
        kept: the tensors whose copies it keeps, at its start.
        sizes: of the parameterisation.
    """
    copies = {name: Array("float32", " ".join(map(str, ("S", *tensor.shape)))) for name, tensor in kept.items()}
    copies["learned_labels"] = replace(_LEARNED_LABELS, optional="live.labels" not in live)
    fixed = {name: Array("int64", low=size, high=size) for name, size in sizes.items()}
    return Kind(
        "a state of this distillation", {**_STORED, **copies, **fixed, **_COURSE, **_like(live)}, fault=_of_course
    )


def training_state(live: Mapping[str, Any], groups: Mapping[int, tuple[int, Sequence[int]]]) -> Kind:
    """A moment of the training of networks, with tensors in use like those in `live` for each that is in training.

    Args:
        groups: of networks that train as one, by how many networks have begun with them: their number, and the epochs
            of each phase.
    """

    def fault(arrays: Mapping[str, np.ndarray], header: Any) -> str:
        counts, (phase, epoch) = arrays["counts"], arrays["position"]
        records = len(arrays["records"]) if "records" in arrays else 0
        if counts.sum() != records:
            return "counts: expected those of its records"
        together, lengths = groups.get(len(counts), (0, ()))
        if len(next(arrays[name] for name in live)) != together:
            return "counts: expected those of networks that train as one"
        if phase >= len(lengths) or epoch > lengths[phase]:
            return f"position: expected one in phases of {lengths} epochs"
        return ""

    arrays = {
        "counts": Array("int64", "m", low=0, high=10**9),
        "seconds": Array("float64", "m", low=0),
        "position": Array("int64", "2", low=0),
        "records": Array("float32 or float64", "records ...", optional=True, finite=False),
        **{name: replace(array, shape=f"g {array.shape}") for name, array in _like(live).items()},
    }
    return Kind("a state of this training", arrays, fault=fault)


def _like(tensors: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays of the types and shapes of tensors, whatever is in them: a network may have diverged."""
    return {
        name: Array(str(tensor.dtype).removeprefix("torch."), " ".join(map(str, tensor.shape)), finite=False)
        for name, tensor in tensors.items()
    }


class Scores(Row):
    about: ClassVar[str] = "a table of the scores of snapshots"
    key = ("network", "snapshot")
    empty = True
    network: Whole
    snapshot: Whole
    iteration: Whole
    step_size: Annotated[Measured, Field(gt=0)]
    validation: Percent | None = None
    test: Percent | None = None


RUN = ("dataset", "method", "ipc", "seed")
"""What tells runs apart."""


class RunRow(Row):
    """A row of a table of several runs."""

    dataset: Name
    method: Name
    ipc: Ipc
    seed: SeedNumber


class Accuracy(RunRow):
    about: ClassVar[str] = "a table of accuracies"
    key = (*RUN, "architecture", "selection", "network")
    K: Whole
    matched_on: Name
    architecture: Name
    selection: SelectedBy
    network: Whole
    accuracy: Percent | None
    seconds: NotNegative
    selected_on: Whole
    undistilled: Whole
    stored_numbers: Numbers
    image_numbers: NotNegative | None = None
    own: Percent | None = None


class BaselineAccuracy(RunRow):
    about: ClassVar[str] = "a table of accuracies of baselines"
    key = (*RUN, "baseline", "network")
    baseline: Literal["random", "class-labels"]
    labels: Literal["class", "soft"]
    network: Whole
    accuracy: Percent | None
    seconds: NotNegative


class Convergence(RunRow):
    about: ClassVar[str] = "a table of the course of distillation"
    key = (*RUN, "subset", "quantity", "iteration")
    subset: Count
    quantity: Literal["matching_loss", "step_size", "validation"]
    iteration: NotNegative
    window: Count
    value: Number | None


class DifficultyRow(RunRow):
    about: ClassVar[str] = "a table of easy and hard images"
    key = (*RUN, "network", "epoch", "difficulty")
    network: Whole
    stage: Count
    epoch: Whole
    difficulty: Literal["easy", "hard"]
    share: Share
    mean_loss: Measured


class CommonDifficulty(RunRow):
    about: ClassVar[str] = "a table of losses on images that are hard or easy for all methods"
    key = (*RUN, "stage", "difficulty")
    empty = True
    stage: Count
    difficulty: Literal["easy", "hard"]
    mean_loss: Measured


class BinnedLosses(RunRow):
    about: ClassVar[str] = "a table of losses in bins"
    key = (*RUN, "bin", "epoch")
    bin: Whole
    difficulty: Literal["easy", "hard"]
    images: Count
    stage: Count
    epoch: Whole
    mean_loss: Measured


class CouplingRow(RunRow):
    about: ClassVar[str] = "a table of coupling"
    key = (*RUN, "half", "network")
    half: Literal["larger", "smaller"]
    network: Whole
    images: Count
    amplification: Measured | None
    accuracy: Percent | None


class StageAccuracy(RunRow):
    about: ClassVar[str] = "a table of accuracies by stage"
    key = (*RUN, "curriculum", "network", "stages")
    curriculum: Literal["union", "subset"]
    network: Whole
    stages: Count
    accuracy: Percent | None


class Resources(Row):
    about: ClassVar[str] = "a table of resources"
    key = ("dataset", "job")
    dataset: Name
    rule: Text
    job: Text
    seconds: NotNegative | None
    cpu_seconds: NotNegative | None
    memory_mib: NotNegative | None
    disk_mb: NotNegative


class Benchmark(Row):
    about: ClassVar[str] = "a benchmark file of Snakemake"
    s: NotNegative | None
    cpu_time: NotNegative | None
    max_rss: NotNegative | None


class MethodRow(Row):
    about: ClassVar[str] = "Table 1 or 3"
    key = ("dataset", "ipc", "method")
    dataset: Name
    ipc: Ipc
    method: Name
    K: Whole
    architecture: Name
    selection: SelectedBy
    accuracy_mean: Percent | None
    accuracy_std: Percent | None
    accuracy_failed: Whole
    std_within_seeds: Percent | None
    std_between_seeds: Percent | None
    networks: Count
    seeds: Count
    selected_on: Whole
    undistilled: Whole
    stored_numbers: Numbers
    image_numbers: NotNegative | None = None
    gflop: NotNegative | None = None
    p_best: Share | None
    last_mean: Percent | None
    last_std: Percent | None
    last_failed: Whole
    test_selected_mean: Percent | None
    test_selected_std: Percent | None
    test_selected_failed: Whole
    own_mean: Percent | None = None
    own_std: Percent | None = None
    own_failed: Whole | None = None


class ArchitectureRow(Row):
    about: ClassVar[str] = "Table 2"
    key = ("dataset", "ipc", "method", "architecture")
    dataset: Name
    ipc: Ipc
    method: Name
    K: Whole
    matched_on: Name
    architecture: Name
    selection: SelectedBy
    accuracy_mean: Percent | None
    accuracy_std: Percent | None
    accuracy_failed: Whole
    networks: Count
    seeds: Count
    selected_on: Whole
    undistilled: Whole
    stored_numbers: Numbers
    image_numbers: NotNegative | None = None
    p_best: Share | None


class ComparisonRow(Row):
    """A difference of two methods over networks of equal seed and number."""

    about: ClassVar[str] = "a table of paired differences"
    key = ("dataset", "ipc", "method", "baseline")
    empty = True
    dataset: Name
    ipc: Ipc
    method: Name
    K: Whole
    baseline: Name
    difference: Points | None
    low: Number | None
    high: Number | None
    p: Share | None
    q: Share | None
    unit: Literal["seeds", "networks"]
    seeds: Whole
    pairs: Whole
    failed: Whole
    compute: NotNegative | None = None


class ShownImage(Row):
    about: ClassVar[str] = "a table of images"
    block: Text
    file: Text
    tensor: Literal["pixels", "initial_pixels", "change"]
    index: Whole


class Operations(Row):
    about: ClassVar[str] = "a table of counted operations"
    empty = True
    key = ("dataset", "ipc", "method")
    dataset: Name
    ipc: Ipc
    method: Name
    gflop: NotNegative
    own_gflop: NotNegative


class PublishedNumber(Row):
    about: ClassVar[str] = "a list of published numbers"
    empty = True
    table: Annotated[int, Field(strict=True, ge=1, le=9)]
    method: Text
    dataset: Text
    ipc: Ipc
    network: Text
    accuracy_mean: Percent
    accuracy_std: Percent | None
    source: Text


class ReproducedCell(Row):
    about: ClassVar[str] = "a list of cells that reproduce published numbers"
    key = ("dataset", "ipc", "method")
    dataset: Name
    ipc: Ipc
    method: Name
    published_method: str
    published_dataset: str
    reference: str
    data: str
    experts: str
    iterations: str
    other: str


COLLECTED: tuple[type[Row], ...] = (Accuracy, CouplingRow, StageAccuracy, Resources)
"""Tables of a job each that are put together."""
