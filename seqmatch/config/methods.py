"""What each method is, declared once. Imports no torch.

A method is an objective (what is matched), a parameterisation (how images are stored), and a number of subsets. Which
jobs exist, which keys a method reads, what it does by default, what it costs, how it is resumed, what Table 4 and the
documentation show of it: all derive from the two tables here. `seqmatch-X`, several subsets one after another, exists
for every method X that can have them, without a line of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Literal

from seqmatch.config.sections import (
    AlignmentMatching,
    CondensationMatching,
    Coreset,
    DistributionMatching,
    Evaluation,
    External,
    GradientMatching,
    HallucinationMatching,
    KernelMatching,
    Matching,
    RangedMatching,
    Section,
    TrajectoryMatching,
    UnrolledMatching,
    WholeData,
)

SEQUENTIAL = "seqmatch-"
"""Before the name of a method: the same with several subsets (Du et al. 2023)."""


@dataclass(frozen=True)
class Images:
    """How many images one iteration deals with."""

    classes: int
    real: int
    """Training images."""
    new: int
    """Decoded images of the subset being distilled."""
    union: int
    """Those, and the ones of all subsets before it."""
    pixels: int
    """Of each image, in each channel."""


TRAINING, SLOPE = 3, 8
"""Forward passes' worth of what a layer does for the gradient of the parameters, and for the derivative of that."""


@dataclass(frozen=True)
class Passes:
    """What one iteration takes, in images that go through the network."""

    forward: float = 0.0
    """Forward passes."""
    training: float = 0.0
    """Forward and backward passes for the gradient of the parameters."""
    slope: float = 0.0
    """Derivatives of such a gradient along a direction, by parameters and images."""
    batch: float = 1.0
    """Images that go through together."""
    operations: float = 0.0
    """Floating-point operations outside of networks."""

    @property
    def work(self) -> float:
        """All of it, to compare iterations of one method: in forward passes of an image, or in operations."""
        return self.forward + TRAINING * self.training + SLOPE * self.slope + self.operations


@dataclass(frozen=True)
class Objective:
    """What is matched."""

    section: type[Matching]
    """The keys of `matching` that it reads."""
    step: str
    """``module:function`` of what makes its step, a function of a `seqmatch.distillation.step.Problem`."""
    cost: Callable[[Any, Images], Passes]
    """What an iteration takes, by its section and the images it deals with."""
    needs: Literal["trajectories", "starts", "nothing"]
    """`trajectories`: of experts for the first subset, for later ones of teachers, which went through the earlier
    subsets and then record real data. `starts`: for later subsets such teachers, to start from."""
    epochs: Callable[[Any], int] = lambda matching: 0
    """Epochs on real data that these networks record, by the section."""
    resumes_every: Callable[[Any], int] = lambda matching: 1
    """Iterations between two moments from which it can go on: 1, or those of one network, whose state is not saved."""
    bounded: bool = False
    """Whether the images are brought back to where real ones lie at these moments."""
    memory: Callable[[Any, Images], float] = lambda matching, images: 0.0
    """Bytes that an iteration takes at once beyond a network's, by the same as `cost`."""
    own_protocol: str | None = None
    """``module:function`` of how its authors say what images are worth, besides the evaluation that all methods share:
    from subsets, the section of each, test images with labels, and a `Learner` with its seed to the accuracy in percent
    of each of the networks that the learner's settings ask for."""
    own_cost: Callable[[Sequence[Any], Sequence[Images], int], Passes] = lambda stages, sets, networks: Passes()
    """What that takes besides test passes, by the sections, the images that each deals with, test images in place of
    `real` ones, and the number of networks."""

    @property
    def module(self) -> str:
        """The module of its step."""
        return self.step.partition(":")[0]

    def reaching(self, matching: Any) -> str:
        """What of this reaches a computation, for its fingerprint."""
        return repr((self.step, self.resumes_every(matching), self.bounded))


@dataclass(frozen=True)
class Method:
    """What is done with a data set."""

    title: str
    """What moves the images, in a few words."""
    label: str = ""
    """Its name as papers write it, if that is another than its own."""
    page: str = ""
    """Its page in docs/methods, if it has one."""
    source: str = ""
    """The publication of its usual values, if it has any."""
    objective: str | None = None
    """A key of `OBJECTIVES`; None where images stay as they are."""
    subsets: Literal["none", "one", "any"] = "one"
    """`one`: more of them are `seqmatch-` and its name; `any`: under its own name too."""
    usual: dict[str, Any] = field(default_factory=dict)
    """Values of its section unless the configuration says otherwise."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Values of its section that make the method what it is: keys that cannot be set."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """Values of `evaluation` unless the configuration says otherwise."""
    without: frozenset[str] = frozenset()
    """Operations of the data set's augmentation that its evaluation leaves out, unless that is set."""
    unmoved: type[Section] = Coreset
    """The keys of `matching` that it reads where it has no objective."""
    flat: bool = False
    """Whether it matches sharpness-aware experts (`rho`)."""

    def __post_init__(self):
        """A declaration that sets what its sections have not, or that names no objective, does not import."""
        self.section(**self.usual | self.fixed)
        Evaluation(**self.evaluation)

    @property
    def section(self) -> type[Section]:
        """The keys of `matching` that it reads: those of its objective, where it has one."""
        return self.unmoved if self.objective is None else OBJECTIVES[self.objective].section

    @property
    def reads(self) -> list[str]:
        """Keys of `matching` that may be set for it."""
        return [name for name in self.section.model_fields if name not in self.fixed]


def _trajectory_cost(matching: TrajectoryMatching, images: Images) -> Passes:
    batch = min(matching.synthetic_batch or images.new, images.union)
    matched = matching.experts_per_step * matching.synthetic_steps * batch
    if matching.adjoint == "first-order":  # it goes its way twice, and is never compiled
        return Passes(forward=matched, training=2 * matched, slope=matched, batch=batch)
    return Passes(training=matched, slope=matched, batch=batch)


def _hallucination_cost(matching: HallucinationMatching, images: Images) -> Passes:
    stored, union = images.new // matching.hallucinators, images.union // matching.hallucinators
    batch = min(matching.synthetic_batch or stored, union)
    adversary = 2 * batch if matching.lr_adversary else 0  # its real and hallucinated images, in forward passes
    matched = matching.experts_per_step * matching.synthetic_steps * batch
    return Passes(forward=5 * adversary, training=matched, slope=matched, batch=batch)


def _real_batch(matching: Any, images: Images) -> int:
    """Real images of an iteration: at most as many as there are."""
    return min(images.classes * matching.real_batch, images.real)


def _gradient_cost(matching: GradientMatching, images: Images) -> Passes:
    learned = matching.network_epochs * images.union * (1 - 1 / matching.updates_per_network)
    real = _real_batch(matching, images)
    return Passes(training=real + learned, slope=images.union, batch=matching.real_batch)


def _distribution_cost(matching: DistributionMatching, images: Images) -> Passes:
    return Passes(forward=_real_batch(matching, images) + 3 * images.union, batch=matching.real_batch)


def _alignment_cost(matching: AlignmentMatching, images: Images) -> Passes:
    learned = matching.network_epochs * images.union * (1 - 1 / matching.updates_per_network)
    real = _real_batch(matching, images)
    return Passes(forward=real + 3 * images.union, training=learned, batch=matching.real_batch)


def _condensation_cost(matching: CondensationMatching, images: Images) -> Passes:
    shown = min((matching.synthetic_batch or images.union) * images.classes, images.union)
    learned = min(matching.network_images, images.real) * (1 - 1 / matching.updates_per_network)
    return Passes(training=_real_batch(matching, images) + learned, slope=shown, batch=matching.real_batch)


def _unrolled_cost(matching: UnrolledMatching, images: Images) -> Passes:
    replayed = _replayed(matching, images)
    return replace(replayed, training=replayed.training + _real_batch(matching, images), slope=replayed.training)


def _replayed(matching: UnrolledMatching, images: Images) -> Passes:
    """The student's steps alone."""
    each = matching.synthetic_batch or images.new // images.classes
    batch = min(each * images.classes, images.union)
    return Passes(training=matching.synthetic_steps * batch, batch=batch)


def _replay_cost(stages: Sequence[UnrolledMatching], sets: Sequence[Images], networks: int) -> Passes:
    replayed = list(map(_replayed, stages, sets))
    return Passes(training=networks * sum(each.training for each in replayed), batch=replayed[-1].batch)


KERNEL_OPERATIONS = 20_000
"""For a number that a layer of a kernel writes, with its part of the gradient: as many as wide networks do in that
time, measured on a CPU: 0.1 to 0.16 µs on a core."""
KERNEL_BYTES = 400
"""That are there for such a number until its gradient is known. Measured likewise."""


def _kernel_numbers(matching: KernelMatching, images: Images) -> float:
    """Numbers that the layers write for two images."""
    if matching.kernel == "pooled":
        return sum(max(images.pixels / 4**layer, 1) ** 2 for layer in range(matching.kernel_depth))
    return matching.kernel_depth * (images.pixels if matching.kernel == "convolutional" else 1)


def _kernel_cost(matching: KernelMatching, images: Images) -> Passes:
    pairs = images.union * (_real_batch(matching, images) + 1.5 * images.union)
    return Passes(operations=KERNEL_OPERATIONS * pairs * _kernel_numbers(matching, images))


def _regression_cost(stages: Sequence[KernelMatching], sets: Sequence[Images], networks: int) -> Passes:
    """Once for all networks, and without gradients, which are half of it."""
    images = sets[-1]
    pairs = images.union * (images.real + images.union)
    return Passes(operations=KERNEL_OPERATIONS / 2 * pairs * _kernel_numbers(stages[-1], images))


def _kernel_memory(matching: KernelMatching, images: Images) -> float:
    """Of one image with all synthetic ones; where that is little, of several at a time, within any job's memory."""
    return KERNEL_BYTES * images.union * _kernel_numbers(matching, images)


OBJECTIVES = {
    "trajectory": Objective(
        section=TrajectoryMatching,
        step="seqmatch.distillation.trajectory:make_step",
        cost=_trajectory_cost,
        needs="trajectories",
        epochs=attrgetter("last_epoch"),
    ),
    "hallucination": Objective(
        section=HallucinationMatching,
        step="seqmatch.distillation.hallucination:make_step",
        cost=_hallucination_cost,
        needs="trajectories",
        epochs=attrgetter("last_epoch"),
        resumes_every=lambda matching: matching.updates_per_network if matching.lr_adversary else 1,
    ),
    "ranged-trajectory": Objective(
        section=RangedMatching,
        step="seqmatch.distillation.trajectory:make_step",
        cost=_trajectory_cost,
        needs="trajectories",
        epochs=attrgetter("last_epoch"),
    ),
    "unrolled": Objective(
        section=UnrolledMatching,
        step="seqmatch.distillation.unrolled:make_step",
        cost=_unrolled_cost,
        needs="starts",
        own_protocol="seqmatch.analysis.replay:accuracies",
        own_cost=_replay_cost,
    ),
    "kernel": Objective(
        section=KernelMatching,
        step="seqmatch.distillation.kernel:make_step",
        cost=_kernel_cost,
        needs="nothing",
        memory=_kernel_memory,
        own_protocol="seqmatch.analysis.kernel_regression:accuracies",
        own_cost=_regression_cost,
    ),
    "gradient": Objective(
        section=GradientMatching,
        step="seqmatch.distillation.gradient:make_step",
        cost=_gradient_cost,
        needs="nothing",
        resumes_every=lambda matching: matching.updates_per_network,
    ),
    "distribution": Objective(
        section=DistributionMatching,
        step="seqmatch.distillation.distribution:make_step",
        cost=_distribution_cost,
        needs="nothing",
    ),
    "alignment": Objective(
        section=AlignmentMatching,
        step="seqmatch.distillation.alignment:make_step",
        cost=_alignment_cost,
        needs="starts",
        resumes_every=lambda matching: matching.updates_per_network,
    ),
    "condensation": Objective(
        section=CondensationMatching,
        step="seqmatch.distillation.condensation:make_step",
        cost=_condensation_cost,
        needs="starts",
        resumes_every=lambda matching: matching.updates_per_network,
        bounded=True,
    ),
}
"""By the name that methods give."""


METHODS = {
    "random": Method(
        title="nothing: real images, at random",
        label="Random",
        page="coresets",
        subsets="any",
        fixed={"initial": "random"},
    ),
    "herding": Method(
        title="nothing: real images whose mean features are those of all",
        label="Herding",
        page="coresets",
        source="Welling 2009",
        subsets="any",
        fixed={"initial": "herding"},
    ),
    "k-center": Method(
        title="nothing: real images that cover all others",
        label="K-Center",
        page="coresets",
        source="Sener & Savarese 2018",
        subsets="any",
        fixed={"initial": "k-center"},
    ),
    "k-means": Method(
        title="nothing: the real images nearest to the centres of k-means",
        label="K-means",
        page="coresets",
        source="Cui et al. 2022, as K-Center",
        subsets="any",
        fixed={"initial": "k-means"},
    ),
    "dd": Method(
        title="the loss of a network that learned from them, by gradients through all its steps",
        label="DD",
        page="dd",
        source="Wang et al. 2018",
        objective="unrolled",
        usual={
            "initial": "noise",
            "optimizer": "adam",
            "beta1": 0.5,
            "lr_images": 0.01,
            "lr_step_size": 0.001,
            "initial_step_size": 0.02,
            "synthetic_batch": 1,
            "order": "fixed",
            "step_sizes": "each",
            "real_batch": 100,
        },
        fixed={"augment_matching": False},
    ),
    "rtp": Method(
        title="the same with a student that has momentum",
        label="RTP",
        page="dd",
        source="Deng & Russakovsky 2022",
        objective="unrolled",
        usual={
            "initial": "noise",
            "momentum": 0.5,
            "lr_images": 0.1,
            "lr_step_size": 0.0,
            "synthetic_steps": 150,
            "synthetic_batch": 32,
            "parameterisation": "memories",
            "student_momentum": 0.9,
            "clip": 2.0,
        },
        evaluation={"epochs": 300, "weight_decay": 0.0, "decay_at": []},
    ),
    "kip": Method(
        title="the error of kernel ridge regression on them",
        label="KIP",
        page="kip",
        source="Nguyen et al. 2021",
        objective="kernel",
        usual={
            "optimizer": "adam",
            "lr_images": 0.04,
            "lr_labels": 10.0,
            "real_batch": 500,
            "augment_matching": False,
        },
    ),
    "dc": Method(
        title="each class's gradient in networks that learn along the way",
        label="DC",
        page="dc",
        source="Zhao, Mopuri & Bilen 2021",
        objective="gradient",
        usual={"learner": {"momentum": 0.5}},  # published: until DSA's release, after which there is none
        fixed={"augment_matching": False},
    ),
    "dsa": Method(
        title="the same, augmented",
        label="DSA",
        page="dc",
        source="Zhao & Bilen 2021",
        objective="gradient",
    ),
    "dm": Method(
        title="each class's mean features in random networks",
        label="DM",
        page="dm",
        source="Zhao & Bilen 2023",
        objective="distribution",
    ),
    "cafe": Method(
        title="each class's mean maps in all layers of networks that learn along the way",
        label="CAFE",
        page="cafe",
        source="Wang et al. 2022",
        objective="alignment",
        usual={"initial": "noise", "lr_images": 0.1, "augment_matching": False},
    ),
    "mtt": Method(
        title="parts of expert trajectories",
        label="MTT",
        page="mtt",
        source="Cazenavette et al. 2022",
        objective="trajectory",
    ),
    "ftd": Method(
        title="parts of flatter expert trajectories; images averaged",
        label="FTD",
        page="ftd",
        source="Du et al. 2022",
        objective="trajectory",
        usual={"ema": 0.999},  # published: CIFAR at ipc 10 0.9995, CIFAR-10 at ipc 1 0.9999
        flat=True,
    ),
    "haba": Method(
        title="parts of expert trajectories, by what small networks make of each image",
        label="HaBa",
        page="haba",
        source="Liu et al. 2022",
        objective="hallucination",
        usual={"momentum": 0.95},
        fixed={"parameterisation": "hallucinators"},
    ),
    "datm": Method(
        title="parts of flatter expert trajectories, ever later ones; labels are learned too",
        label="DATM",
        page="datm",
        source="Guo et al. 2024",
        objective="ranged-trajectory",
        usual={
            "initial": "classified",
            "soft_labels": True,
            "synthetic_steps": 80,
            "skip_above": 1.0,  # published: CIFAR-10 at ipc 1 1.1
        },
        evaluation={"batch_size": 128},
        flat=True,
    ),
    "idc": Method(
        title="each class's gradient in networks that learn from real images; stored images are grids of smaller ones",
        label="IDC",
        page="idc",
        source="Kim et al. 2022",
        objective="condensation",
        usual={
            "parameterisation": "multi-formation",
            "formation": 2,
            "optimizer": "sgd",
            "momentum": 0.0,
            "lr_images": 0.1,
        },
        evaluation={
            "learning_rate": 0.01,
            "batch_size": 64,
            "decay_at": [2 / 3, 5 / 6],
            "decay_factor": 0.2,
            "augmentation_form": "composed",
            "cutmix": 0.5,
        },
        without=frozenset({"cutout"}),
    ),
    "external": Method(
        title="nothing: a synthetic set that another program made",
        label="External",
        page="external",
        subsets="any",
        unmoved=External,
    ),
    "whole": Method(
        title="nothing: training on all real data, for comparison",
        label="Whole",
        subsets="none",
        unmoved=WholeData,
    ),
}
"""By name, in the order of tables."""


def standard_names() -> dict[str, str]:
    """Every name that needs no `backbone`, and the method that it is or repeats, in the order of tables."""
    return {
        name: backbone
        for backbone, method in METHODS.items()
        for name in ([backbone] if method.subsets == "none" else [backbone, SEQUENTIAL + backbone])
    }


def display_name(name: str, subsets: int = 1) -> str:
    """A method as papers write it, such as SeqMatch-MTT (K = 2); a name of the configuration's own stays as it is."""
    backbone = name.removeprefix(SEQUENTIAL)
    label = (METHODS[backbone].label or backbone) if backbone in METHODS else name
    sequential = "SeqMatch-" if backbone in METHODS and backbone != name else ""
    return f"{sequential}{label}" + (f" (K = {subsets})" if subsets > 1 else "")
