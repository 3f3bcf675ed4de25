"""Main memory that jobs need beyond what every one takes, counted from the configuration. Imports no torch.

What of it grows: images as numbers, the matrix that whitens them, and what a job keeps until it writes its file. The
factors were measured as peaks of whole processes, but for `VECTORS`, which is counted in the code.
"""

import math
from collections.abc import Callable
from typing import Any

from seqmatch import config
from seqmatch.config import Run
from seqmatch.config.catalog import SOURCES, WHITENING_BYTES
from seqmatch.config.sections import MOST_KEPT, ClassMatching
from seqmatch.planning import costs
from seqmatch.planning.costs import NUMBER, Scale
from seqmatch.planning.sizes import pixels_of

Wildcards = dict[str, Any]

READ = 2
"""Bytes per number of an image while a source is read: in parts, and joined."""
SPLIT = 6
"""Bytes per number of a split that is normalised: mapped, copied, and as float32."""
INVERTED = 3 * 8
"""Bytes per number of a whitening matrix where it is inverted."""
COPIES = 3
"""How often what is kept for a file is there when it is written: in parts, as one tensor, and for a checkpoint."""

VECTORS = 10
"""How often a network's parameters are there while it trains: their gradients, velocities and copies."""
MEANS = 6
"""How often the mean maps of each class are there in alignment: real, synthetic, their slopes, and along the way."""
DECODED = 5
"""How often all images that are matched are there: decoded, as one tensor, their gradients, and along the way. Counted
in the code, as the next."""
GRAPH = 5
"""Numbers in the graph of a class's gradient per number that convolutions write."""
KEPT = 6
"""Numbers that a student's step keeps for its derivatives per number that convolutions write; compiled ones, 1.3."""
OF_BATCH_NORM = 15
"""Bytes per number that a network with batch norm writes of a minibatch, which it sees as a whole."""

OWN_DEPTH = {"resnet18": (2730, 8, 8), "vgg11": (2250, 8, 5), "alexnet": (112, 1.5, 3)}
"""Parameters of the convolutions in units of width², channels before the last layer in units of width, and how often
maps are halved before it. All other families are counted like a ConvNet."""
WRITTEN = {"resnet18": 9.4, "vgg11": 2.5, "alexnet": 1.7}
"""Numbers that convolutions write of an image at most, in units of width and pixels; of all other families 4 / 3."""


SEEN = 0.3
"""Operations for a parameter and pixel of an image: maps are halved between convolutions. Of ConvNets."""


def approximate(
    architecture: config.Architecture, shape: tuple[int, int, int], classes: int
) -> tuple[float, float, int, int, int]:
    """What `costs.Measure` gives, about, without building the network."""
    ours = 9 * (architecture.depth - 1)
    convolutions, _, _ = OWN_DEPTH.get(architecture.family, (ours, 1, 0))
    first = 9 * shape[0] * architecture.width
    later, pixels = convolutions * architecture.width**2, _padded(shape) ** 2
    parameters = later + first + features(architecture, shape) * classes
    written = round(_written(architecture, shape))
    return 2.0 * first * pixels, SEEN * later * pixels, parameters, written, architecture.depth + 1


def features(architecture: config.Architecture, shape: tuple[int, int, int]) -> int:
    """Numbers that its last layer sees of an image, about."""
    _, channels, halved = OWN_DEPTH.get(architecture.family, (0, 1, architecture.depth))
    side = max(1, _padded(shape) >> halved)
    return round(channels * architecture.width) * side**2


def _padded(shape: tuple[int, int, int]) -> int:
    """Pixels of a side that networks see."""
    return 32 if shape[:2] == (1, 28) else shape[1]


def needed(scale: Scale, rule: str, wildcards: Wildcards) -> int:
    """Bytes of a job of a rule; 0 for those whose files are small.

    Raises:
        LookupError: the experiment has no such job.
    """
    return round(MEMORY[rule](scale, wildcards)) if rule in MEMORY else 0


def _preparation(scale: Scale, wildcards: Wildcards) -> float:
    section = scale.experiment.config.datasets[wildcards["dataset"]]
    whole = pixels_of(section)
    if section.source in SOURCES:
        whole = max(whole, pixels_of(section.model_copy(update={"image_size": None})))
    return READ * whole + WHITENING_BYTES * _matrix(scale, wildcards)


def _training(scale: Scale, wildcards: Wildcards) -> float:
    """The training split, and the matrix that whitens it."""
    data = scale.data(wildcards["dataset"])
    return SPLIT * data.train * data.pixels + NUMBER * _matrix(scale, wildcards)


def _evaluation(scale: Scale, wildcards: Wildcards) -> float:
    """The test split, and what is trained on, decoded images or for `whole` the training split; and what a protocol of
    the method's own takes."""
    data, run = scale.data(wildcards["dataset"]), scale.experiment.run_of(wildcards)
    decoded = NUMBER * sum(scale.seen(run)) * data.pixels
    trained = COPIES * decoded if run.stages else _training(scale, wildcards)
    network = wildcards.get("architecture", run.architecture)
    tested = SPLIT * data.tested * data.pixels + NUMBER * _matrix(scale, wildcards)
    vectors = _vectors(scale, run.dataset, network)
    return tested + trained + vectors + _whole_batches(scale, run, network) + _own_protocol(scale, run, network)


def _own_protocol(scale: Scale, run: Run, network: str) -> float:
    """What it takes at once, on the network that was matched; GPUs have their own memory."""
    if not run.own_protocol or network != run.architecture or scale.experiment.config.device == "cuda":
        return 0.0
    return run.objective.memory(run.stages[-1], costs.images_of(scale, run, run.subsets))


def _recording(cost: Callable[[Scale, Wildcards], costs.Cost]) -> Callable[[Scale, Wildcards], float]:
    """The training split, and what is recorded along the way."""

    def recording(scale: Scale, wildcards: Wildcards) -> float:
        run = scale.experiment.run_of(wildcards)
        kept = COPIES * cost(scale, wildcards).disk
        return _training(scale, wildcards) + kept + _vectors(scale, run.dataset, run.architecture)

    return recording


def _trajectories(cost: Callable[[Scale, Wildcards], costs.Cost]) -> Callable[[Scale, Wildcards], float]:
    def trajectories(scale: Scale, wildcards: Wildcards) -> float:
        recipe = wildcards.get("recipe")
        if recipe is None:
            recipe = scale.experiment.run_of(wildcards).stages[wildcards["subset"] - 1].experts
        section = scale.experiment.config.experts[recipe]
        kept = cost(scale, wildcards).disk * (2 if section.storage == "float16" else 1)
        vectors = _vectors(scale, wildcards["dataset"], section.architecture)
        return _training(scale, wildcards) + COPIES * kept + vectors

    return trajectories


def _distillation(scale: Scale, wildcards: Wildcards) -> float:
    run, data, k = scale.experiment.run_of(wildcards), scale.data(wildcards["dataset"]), wildcards["subset"]
    kept = COPIES * costs.distillation(scale, wildcards).disk
    if run.objective and run.stages[k - 1].iterations and scale.experiment.config.device != "cuda":
        kept += run.objective.memory(run.stages[k - 1], costs.images_of(scale, run, k))
    architecture = scale.experiment.config.architectures[run.architecture]
    seen = 2 * NUMBER * data.train * features(architecture, data.shape) if run.asks_experts(k) else 0
    steps = getattr(run.stages[k - 1], "synthetic_steps", 0)  # of which 2√T are kept at most
    vectors = _vectors(scale, run.dataset, run.architecture, VECTORS + 2 * math.sqrt(steps))
    kept += _spared(scale, run, k) if steps else 0
    kept += DECODED * NUMBER * scale.unions(run)[k - 1] * data.pixels
    return _training(scale, wildcards) + kept + seen + vectors + _updated(scale, run, k)


def _spared(scale: Scale, run: Run, k: int) -> float:
    """What student steps may keep; by default at most what all of them can use. GPUs have their own memory."""
    kept = scale.experiment.config.kept_memory
    if scale.experiment.config.device == "cuda":
        return 0.0
    if kept != "auto":
        return kept * 1e9
    stage, data = run.stages[k - 1], scale.data(run.dataset)
    numbers = scale.unions(run)[k - 1] * _written(scale.experiment.config.architectures[run.architecture], data.shape)
    return min(KEPT * NUMBER * stage.synthetic_steps * numbers, MOST_KEPT * 1e9)


def _updated(scale: Scale, run: Run, k: int) -> float:
    """The real images of an update, twice where they are augmented, and what it keeps of them: the graph of a class, or
    mean maps of each and all features. GPUs have their own memory."""
    stage, data = run.stages[k - 1], scale.data(run.dataset)
    if not isinstance(stage, ClassMatching) or scale.experiment.config.device == "cuda":
        return 0.0
    spec = scale.experiment.config.architectures[run.architecture]
    written, kept = _written(spec, data.shape), 0.0
    if isinstance(stage, config.GradientMatching | config.CondensationMatching):
        kept = GRAPH * stage.real_batch * written
    if isinstance(stage, config.AlignmentMatching):
        kept = data.classes * (MEANS * written + 2 * stage.real_batch * features(spec, data.shape))
    return NUMBER * (2 * data.classes * stage.real_batch * data.pixels + kept)


def _selection(scale: Scale, wildcards: Wildcards) -> float:
    """Every snapshot with the subsets before it, and the inverse of the matrix, which shows them as they look."""
    run, data, k = scale.experiment.run_of(wildcards), scale.data(wildcards["dataset"]), wildcards["subset"]
    snapshots = costs.snapshots(run.stages[k - 1])
    decoded = snapshots * NUMBER * scale.unions(run)[k - 1] * data.pixels
    scored = SPLIT * (data.validation + data.tested) * data.pixels
    kept = costs.distillation(scale, wildcards).disk + _vectors(scale, run.dataset, run.architecture)
    return scored + decoded + kept + INVERTED * _matrix(scale, wildcards)


def _clustering(scale: Scale, wildcards: Wildcards) -> float:
    runs = [run for run in scale.experiment.runs.values() if run.distilled and run.analysed]
    of = ({"dataset": run.dataset, "method": run.method, "ipc": str(run.ipc)} for run in runs)
    return COPIES * max(costs.losses(scale, one).disk for one in of)


def _vectors(scale: Scale, dataset: str, network: str, vectors: float = VECTORS) -> float:
    """Vectors of a network's parameters."""
    return vectors * NUMBER * scale.work(dataset, network).parameters


def _whole_batches(scale: Scale, run: Run, network: str) -> float:
    """What a network with batch norm writes of a minibatch; others take images in chunks, and GPUs have their own."""
    spec, data = scale.experiment.config.architectures[network], scale.data(run.dataset)
    if spec.norm != "batch" or scale.experiment.config.device == "cuda":
        return 0.0
    batch = min(run.evaluation.batch_size, max(scale.seen(run)))
    return OF_BATCH_NORM * batch * _written(spec, data.shape)


def _written(architecture: config.Architecture, shape: tuple[int, int, int]) -> float:
    """Numbers that its convolutions write of an image, at most."""
    return WRITTEN.get(architecture.family, 4 / 3) * architecture.width * _padded(shape) ** 2


def _matrix(scale: Scale, wildcards: Wildcards) -> int:
    """Numbers of the matrix that whitens images, if one does."""
    whitened = scale.experiment.config.datasets[wildcards["dataset"]].normalization == "zca"
    return scale.data(wildcards["dataset"]).pixels ** 2 if whitened else 0


MEMORY: dict[str, Callable[[Scale, Wildcards], float]] = {
    "prepare_dataset": _preparation,
    "train_experts": _trajectories(costs.experts),
    "train_teachers": _trajectories(costs.teachers),
    "train_teachers_of_round": _trajectories(costs.teachers),
    "distill_round": _distillation,
    "distill_subset": _distillation,
    "select_snapshot": _selection,
    "evaluate": _evaluation,
    "evaluate_baselines": lambda scale, wildcards: _training(scale, wildcards) + _evaluation(scale, wildcards),
    "record_losses": _recording(costs.losses),
    "measure_coupling": _evaluation,
    "measure_stages": _evaluation,
    "cluster_difficulty": _clustering,
    "compare_difficulty": _clustering,
}
"""By rule; what a rule's own memory does not depend on the configuration is not among them."""
