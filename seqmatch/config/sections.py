"""The sections of config.yaml as typed models: what each key may be, what it means, and its default.

What a method reads of `matching` is a section of its own (`WholeData`, `Coreset`, and one for each objective):
`seqmatch.config.methods` says which method reads which.
"""

import json
import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from seqmatch.config.catalog import LARGEST_SIDE, SMALLEST_SIDE, SOURCES
from seqmatch.errors import allowed

NAME = r"[a-z0-9]+(?:[-_][a-z0-9]+)*"
"""Names become parts of paths: lower-case letters and digits, joined by single hyphens or underscores."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _ascending(values: list[float]) -> list[float]:
    if sorted(set(values)) != values:
        raise ValueError("expected ascending, distinct fractions")
    return values


Name = Annotated[str, StringConstraints(max_length=100, pattern=f"^{NAME}$")]
Place = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A folder or a URL: no control characters, which no honest path contains, and which garble commands and messages."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
MOST = 10_000_000
"""Of anything that is counted: far above what anyone asks for, far below what numbers of any kind hold."""
LARGEST = 1e9
"""Of rates and penalties likewise; the largest published learning rate is 1e5."""
Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]
BatchSize = Annotated[int, Field(strict=True, ge=2, le=MOST)]
Whole = Annotated[int, Field(strict=True, ge=0, le=MOST)]
SeedNumber = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False), BeforeValidator(_no_bool)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_bool)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False), BeforeValidator(_no_bool)]
Fraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_no_bool)]
OpenFraction = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_no_bool)]
Factor = Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_bool)]
Operation = Literal["color", "crop", "cutout", "flip", "scale", "rotate"]
SelectedBy = Literal["validation", "last", "test"]
CompileMode = Literal["auto", "always", "never"]
Gigabytes = Literal["auto"] | NotNegative
ENOUGH_SEEDS = 3
"""From which an interval or a test over seeds says something."""
MOST_KEPT = 2.0
"""GB that `auto` takes at most of main memory for `kept_memory`: so much more is what a job asks for."""
Precision = Literal["float32", "tf32", "bfloat16"]
Parameterisation = Literal["pixels", "multi-formation", "memories", "hallucinators"]
SIZES = {
    "multi-formation": ("formation",),
    "memories": ("memories", "memory_scale"),
    "hallucinators": ("hallucinators",),
}
"""The keys that each parameterisation reads; images stored as they are read none."""
LEARNED = ("memories", "hallucinators")
"""Parameterisations whose decoder is distilled with the images, and stored with them."""


FAMILIES = {
    "convnet": "seqmatch.networks.convnet:convnet",
    "resnet18": "seqmatch.networks.resnet:resnet18",
    "vgg11": "seqmatch.networks.vgg:vgg11",
    "alexnet": "seqmatch.networks.alexnet:alexnet",
}
"""Families of networks: ``module:function`` of what makes one. A job's fingerprint covers the module of its own."""

OWN_FAMILY = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"
"""``module:Class`` of a network of the user's own."""


def _family(value: str) -> str:
    if value not in FAMILIES and not re.fullmatch(OWN_FAMILY, value):
        raise ValueError(f"unknown family; {allowed(value, FAMILIES)}; or a class of your own, as module:Class")
    return value


def _finite(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(options, allow_nan=False)  # they reach the job as JSON
    return options


Options = Annotated[
    dict[Annotated[str, StringConstraints(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], JsonValue],
    AfterValidator(_finite),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
Family = Annotated[
    str,
    AfterValidator(_family),
    WithJsonSchema({"anyOf": [{"enum": list(FAMILIES)}, {"type": "string", "pattern": f"^{OWN_FAMILY}$"}]}),
]

DOWNLOADED = tuple(name for name, source in SOURCES.items() if source.downloaded)
"""Sources whose published files are fetched."""


FEW = 100
"""Images below which a selection says little: each is more than a point of accuracy."""


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
    image_size: Annotated[int, Field(strict=True, ge=SMALLEST_SIDE, le=LARGEST_SIDE)] | None = Field(
        None,
        description="pixels of a side, to which images are resized; by default they stay as they are (ImageNet "
        "subsets: 128)",
    )
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="how images that are not square become so: `crop`, the short side is resized and the middle kept; "
        "`squash`, the whole is resized to a square, as in MTT's code, to which published numbers of ImageNet subsets "
        "belong (there without antialiasing)",
    )
    channels: Literal[1, 3] = Field(
        3, description="of an `imagefolder`: 3 for colour, 1 for grey; other sources have their own"
    )
    test_fraction: OpenFraction = Field(
        0.25,
        description="share of the images held out as test data, where the source has no test split",
    )
    split_seed: SeedNumber = Field(0, description="another number holds out other images")
    validation_fraction: Fraction = Field(
        0.1,
        description="share of the training images held out to choose snapshots; "
        "0 is the paper's setting and makes `last` the main selection",
    )
    normalization: Literal["standardize", "zca", "none"] = Field(
        "standardize", description="fitted on the training split, applied to every split"
    )
    zca_regularization: Annotated[float, Field(ge=1e-9, le=LARGEST), BeforeValidator(_no_bool)] = Field(
        0.1, description="with `normalization: zca`: added to the eigenvalues before whitening"
    )
    augmentation: list[Operation] = Field(
        list(get_args(Operation)),
        description="DSA operations, one drawn for each batch; [] for none; leave out `flip` for digits",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_the_source_has_anyway(cls, given: Any) -> Any:
        """Its own size and channels are as if they were not given: they rerun nothing, and results stay comparable."""
        name = given.get("source") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in SOURCES:
            return given
        channels, side, _ = SOURCES[name].shape
        own = {"image_size": side, "channels": channels}
        return {key: value for key, value in given.items() if type(value) is not int or own.get(key) != value}


class Architecture(Section):
    """An architecture, independent of image size and number of classes."""

    family: Family = Field(
        description="kind of network, or `module:Class` of your own (docs/guide/extend.md)",
    )
    options: Options = Field({}, description="what a class of your own is called with; others have none")
    width: Annotated[int, Field(strict=True, ge=1, le=4096)] = Field(
        128,
        description="channels of the first block (standard: ConvNet, AlexNet 128; ResNet18, VGG11 64)",
    )
    depth: Annotated[int, Field(strict=True, ge=1, le=7)] = Field(
        3, description="blocks of a ConvNet, which alone has it"
    )
    norm: Literal["instance", "batch", "none"] = Field(
        "instance", description="normalisation; matching needs `instance` or `none`"
    )

    @property
    def own(self) -> bool:
        """Whether it is a class of the user's own."""
        return self.family not in FAMILIES

    @property
    def code(self) -> str:
        """``module:name`` of what makes the network."""
        return FAMILIES.get(self.family, self.family)

    @property
    def module(self) -> str:
        """The module of that."""
        return self.code.partition(":")[0]


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

    batch_size: BatchSize = Field(256, description="images per step; a leftover of one joins the batch before it")
    momentum: Fraction = Field(0.0, description="momentum of SGD")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty")
    decay_at: Annotated[list[Fraction], AfterValidator(_ascending)] = Field(
        [], description="fractions of the epochs at which the learning rate is multiplied by `decay_factor`"
    )
    decay_factor: Factor = Field(0.1, description="factor on the learning rate")
    decay_restarts: bool = Field(
        False,
        strict=True,
        description="whether momentum begins anew at each decay, as in the published code of trajectory matching",
    )
    precision: Precision = Field(
        "float32",
        description="arithmetic of convolutions and matrix products in training; `tf32` (on GPUs alone) and `bfloat16` "
        "are faster and round; matching and test passes never do",
    )


class Experts(Training):
    """Networks trained on real data whose parameters are recorded after every epoch."""

    architecture: Name = Field(description="a key of `architectures`")
    shards: Count = Field(1, description="files, and so jobs, the experts are spread over")
    networks_per_shard: Count = Field(10, description="experts in a file")
    learning_rate: Positive = Field(0.01, description="step size on real data")
    rho: NotNegative = Field(
        0.0, description="radius of sharpness-aware training (GSAM), which FTD needs; published: 0.01; 0: plain SGD"
    )
    gsam_alpha: NotNegative = Field(
        0.3,
        description="with `rho`: how much the part of the gradient across the perturbed one counts against it; "
        "published: 0.3 for CIFAR-10 at ipc 1 and 10, else 1",
    )
    adaptive: bool = Field(
        True,
        strict=True,
        description="with `rho`: measure the radius in units of each parameter's own size (ASAM), as published; "
        "`false`: plain GSAM, which perturbs far more at the same `rho`",
    )
    epochs: Count | None = Field(None, description="epochs recorded; by default as many as any first stage can match")
    storage: Literal["float32", "float16"] = Field(
        "float32",
        description="precision on disk; `float16` rounds each network's way from its start, and halves the files",
    )


class WholeData(Section):
    """Training on all real data."""

    experts: Name | None = Field(
        None,
        description="a key of `experts`, and so the architecture that is matched and evaluated; may be left out if "
        "there is just one",
    )


class Stored(WholeData):
    """How a subset of images is stored, whether they are distilled or not."""

    size: Count | None = Field(
        None,
        description="images per class of this subset; by default what others leave of `ipc`, divided near-equally",
    )
    parameterisation: Parameterisation = Field(
        "pixels",
        description="how images are stored: `pixels`, as they are; `multi-formation`, several in one (`idc`'s); "
        "`memories`, as sums of images that all share (`rtp`'s); `hallucinators`, as images that several small "
        "networks turn into more (`haba`'s)",
    )
    formation: Annotated[int, Field(strict=True, ge=1, le=8)] = Field(
        1,
        description="with `multi-formation`: images that each stored one holds along a side, shrunk; networks see each "
        "of them at full size",
    )
    memories: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        16,
        description="with `memories`: how many images those of a subset are sums of; so many sums are stored that all "
        "numbers together are at most those of the `ipc` of the subset",
    )
    memory_scale: Annotated[int, Field(strict=True, ge=1, le=8)] = Field(
        2, description="with `memories`: how much shorter their sides are than those of an image"
    )
    hallucinators: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        5,
        description="with `hallucinators`: how many a subset has; networks see of each stored image what every one "
        "makes of it. Their own numbers are stored on top of `ipc`",
    )
    fault: ClassVar[str] = ""
    """What is wrong with the keys together; empty if nothing is."""

    @property
    def held(self) -> int:
        """Images that networks see of each stored one."""
        return {"multi-formation": self.formation**2, "hallucinators": self.hallucinators}.get(self.parameterisation, 1)


class External(Stored):
    """A synthetic set that another program made, read from its files (docs/methods/external.md)."""

    images: Place | None = Field(None, description="file of its images, or of images and labels; needed")
    labels: Place | None = Field(None, description="file of its labels, unless they are with the images")
    step_size: Positive | Place | None = Field(
        None,
        union_mode="left_to_right",  # YAML reads 1e-2 as text
        description="learning rate of networks at the start of the stage, or the file that holds it; needed",
    )
    space: Literal["pixels", "normalized"] | None = Field(
        None, description="whether its images are pixels in 0 to 1, or normalised as networks shall see them; needed"
    )
    mean: list[Number] | None = Field(
        None,
        description="with `space: normalized`, the mean of each channel that was taken away; by default the images are "
        "normalised as the data set is",
    )
    std: list[Positive] | None = Field(None, description="with `mean`, the standard deviation divided by")
    experiment: Whole = Field(0, description="which one, from 0, in a file of several (`dc`, `dsa`, `dm`)")
    reference: Text | None = Field(None, description="who made it, and where it is from, in words; needed")
    initial: ClassVar[str] = "external"
    iterations: ClassVar[int] = 0
    snapshots: ClassVar[int] = 0


class Started(Stored):
    """A subset that begins as real images or noise."""

    initial_step_size: Positive = Field(0.01, description="step size of the student at the start")


class SoftLabels(Section):
    """Labels that are shares of classes."""

    soft_labels: bool = Field(
        False,
        strict=True,
        description="label initial images with the mean prediction of the experts, instead of their class, or where "
        "labels are learned with that of those that are right; the same for all stages",
    )


CHOSEN_BY_EXPERTS = ("herding", "k-center", "k-means", "classified")
"""Initial images that are chosen in the features of an expert, or by its predictions."""

Initial = Literal["random", "noise", *CHOSEN_BY_EXPERTS]


class Coreset(SoftLabels, Started):
    """Real images that stay as they are."""

    initial: Initial = Field("random", description="which real images are taken; the method says it")
    iterations: ClassVar[int] = 0
    snapshots: ClassVar[int] = 0


class Matching(Started):
    """How one subset is distilled, whatever is matched: the keys that all methods share which move images."""

    initial: Initial = Field(
        "random",
        description="what a subset starts from: real images, at random, chosen in the features of an expert, or, at "
        "random, of those that it classifies correctly (`classified`); or `noise`, normal in each normalised pixel",
    )
    iterations: Whole = Field(5000, description="updates of the synthetic images; 0 keeps the initial ones")
    snapshots: Count = Field(10, description="copies kept at even intervals, besides the initial one")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="updates images and step size")
    momentum: Fraction = Field(0.5, description="momentum of `sgd`, which alone has it")
    beta1: Fraction = Field(0.9, description="decay of the mean of gradients of `adam`, which alone has it")
    clip: Positive | None = Field(
        None,
        description="largest norm of the gradient of a subset's images, with what is stored beside them; longer ones "
        "are shortened; by default none",
    )
    ema: Fraction = Field(
        0.0,
        description="decay of the exponential moving average of the images, which is what is kept; 0: the images "
        "themselves",
    )
    lr_images: Positive = Field(100.0, description="learning rate of the synthetic images")
    lr_decoder: Positive | None = Field(
        None,
        description="with `memories` and `hallucinators`: learning rate of these themselves; by default as `lr_images`",
    )


class TrajectoryMatching(SoftLabels, Matching):
    """Parts of expert trajectories are matched by a student's steps (Cazenavette et al. 2022)."""

    synthetic_steps: Count = Field(30, description="SGD steps of the student per iteration")
    expert_epochs: Count = Field(2, description="epochs of the expert that those steps should match (M)")
    max_start_epoch: Count = Field(20, description="start epochs are drawn from 0 … this − 1")
    experts_per_step: Count = Field(
        1, description="parts of trajectories that one update matches; their losses and gradients are averaged"
    )
    synthetic_batch: Count | None = Field(
        None, description="images per student step, by default as many as the subset being distilled has"
    )
    lr_step_size: NotNegative = Field(1e-5, description="learning rate of the step size")
    adjoint: Literal["exact", "first-order"] = Field(
        "exact",
        description="the gradient through the student's steps: `exact`, or for comparison TESLA's, which leaves out "
        "how later steps depend on earlier ones (docs/methods/tesla.md)",
    )

    @property
    def last_epoch(self) -> int:
        """The last epoch of experts that is matched."""
        return self.max_start_epoch - 1 + self.expert_epochs


class LearnedLabels(SoftLabels):
    """Soft labels that are learned with the images, as logits."""

    lr_labels: NotNegative = Field(
        2.0,
        description="with `soft_labels`: learning rate of their logits, by SGD; 0 keeps them as the experts gave them",
    )
    momentum_labels: Fraction = Field(0.9, description="with `lr_labels`: momentum of their SGD")


class RangedMatching(LearnedLabels, TrajectoryMatching):
    """Parts of expert trajectories are matched that start in a range of epochs, whose end grows (DATM, Guo et al.
    2024)."""

    min_start_epoch: Whole = Field(0, description="the first of the start epochs")
    initial_max_start_epoch: Count | None = Field(
        None,
        description="`max_start_epoch` at the first iteration, from which it grows; by default it stays the same",
    )
    expansion_iterations: Count = Field(
        1000, description="with `initial_max_start_epoch`: iterations after which the range has grown to its end"
    )
    skip_above: Positive | None = Field(
        None,
        description="largest matching loss that updates anything; an iteration above it changes nothing; by default "
        "every one does",
    )

    @property
    def fault(self) -> str:
        """What is wrong with the range, if anything is: it has an epoch from the first iteration on, and never
        shrinks."""
        first, last, end = self.min_start_epoch, self.initial_max_start_epoch, self.max_start_epoch
        if last is not None and last > end:
            return f"initial_max_start_epoch = {last}: expected at most max_start_epoch, {end}"
        if first >= (end if last is None else last):
            later = f"max_start_epoch, {end}" if last is None else f"initial_max_start_epoch, {last}"
            return f"min_start_epoch = {first}: expected less than {later}"
        return ""


class HallucinationMatching(TrajectoryMatching):
    """Parts of expert trajectories are matched by what hallucinators make of images (HaBa, Liu et al. 2022)."""

    synthetic_batch: Count | None = Field(
        None,
        description="stored images per student step, each seen through the same hallucinator, by default as many as "
        "the subset being distilled has",
    )
    likeness: NotNegative = Field(
        0.1,
        description="weight of how alike what two hallucinators make of an image is in the features of an adversary",
    )
    lr_adversary: NotNegative = Field(
        0.001, description="learning rate of the adversary, which learns to find them alike; 0: there is none"
    )
    updates_per_network: Count = Field(
        500, description="iterations with one adversary, before another one; states are saved between them alone"
    )

    @property
    def fault(self) -> str:
        """What is wrong with it as a whole; empty if nothing is."""
        alone = self.hallucinators < 2 and self.lr_adversary > 0
        return "hallucinators = 1: the adversary compares two; use more, or `lr_adversary: 0`" if alone else ""


class ClassMatching(Matching):
    """Each class is matched by itself, real images against synthetic ones: what the sections below share."""

    real_batch: Count = Field(256, description="real images of each class per iteration")
    augment_matching: bool = Field(
        True,
        strict=True,
        description="whether what is matched is augmented; by default not for `cafe` and `kip`, and never for `dc` and "
        "`dd`, which refuse the key",
    )


class UnrolledMatching(ClassMatching):
    """A student's steps shall end where real images are classified best (DD, Wang et al. 2018; RTP, Deng & Russakovsky
    2022)."""

    real_batch: Count = Field(64, description="real images of each class that judge the student, per iteration")
    synthetic_steps: Count = Field(30, description="SGD steps of the student per iteration")
    synthetic_batch: Count | None = Field(
        None, description="images of each class per student step, by default as many as the subset being distilled has"
    )
    order: Literal["random", "fixed"] = Field(
        "random",
        description="which images a student's step takes: `random`, in a new order in each pass; `fixed`, groups in "
        "turn, again and again",
    )
    student_momentum: Fraction = Field(0.0, description="momentum of the student")
    step_sizes: Literal["one", "each"] = Field(
        "one", description="whether all of the student's steps share a learned step size, or each has its own"
    )
    lr_step_size: NotNegative = Field(1e-5, description="learning rate of the step size")

    def unseen(self, new: int, seen: int) -> str:
        """What is wrong where no student ever sees all images, so that some stay as they begin; empty if nothing is.

        Args:
            new: images of each class in the subset being distilled, as networks see them.
            seen: of it and the subsets before it.
        """
        needed = -(-seen // min(self.synthetic_batch or new, seen))
        if self.order == "random" or self.synthetic_steps >= needed:
            return ""
        return (
            f"synthetic_steps = {self.synthetic_steps}: with `order: fixed`, {seen} images of each class take {needed} "
            "steps to be seen, and others stay as they begin; use as many, a larger synthetic_batch, or `order: random`"
        )


class DistributionMatching(ClassMatching):
    """Each class's mean features in random networks are matched (Zhao & Bilen 2023)."""


class KernelMatching(LearnedLabels, ClassMatching):
    """Kernel ridge regression on the synthetic images shall predict real ones (KIP, Nguyen et al. 2021)."""

    kernel: Literal["fully-connected", "convolutional", "pooled"] = Field(
        "convolutional",
        description="the infinitely wide network: `fully-connected`; `convolutional`, without pooling; or `pooled`, "
        "which costs hundreds of times as much at 32×32",
    )
    kernel_depth: Annotated[int, Field(strict=True, ge=1, le=20)] = Field(3, description="its hidden layers")
    ridge: Factor = Field(1e-6, description="regularisation, as a share of the kernel's mean diagonal")


class LearningMatching(ClassMatching):
    """Matching in networks that learn from the synthetic images: what the sections below share."""

    updates_per_network: Count = Field(
        10, description="iterations with one network, before another one; states are saved between networks alone"
    )
    network_epochs: Count = Field(
        50, description="epochs on the synthetic images that the network learns between two iterations"
    )
    learner: Training = Field(
        Training(),
        description="how the network learns from them, at the stage's step size; keys as of `evaluation`; by default "
        "batches of 256, for `dc` with momentum 0.5",
    )


class GradientMatching(LearningMatching):
    """Each class's gradient is matched in networks that learn from the synthetic images (Zhao et al. 2021)."""


class AlignmentMatching(LearningMatching):
    """Each class's mean maps are matched in all layers of networks that learn from the synthetic images (CAFE, Wang et
    al. 2022)."""

    network_epochs: Count = Field(
        10, description="epochs on the synthetic images that the network learns between two iterations"
    )
    layer_weights: list[NotNegative] | None = Field(
        None,
        description="weight of each layer's distance, in order, and at the end that of the features; a layer ends with "
        "an activation; by default 0.1 for each layer, but 1 for the last one, and 2 for the features",
    )
    discrimination_weight: NotNegative = Field(
        0.01,
        description="weight of the loss of discrimination: features of a real image shall be most like the mean of "
        "its class's synthetic ones; 0 for none",
    )


class CondensationMatching(ClassMatching):
    """Each class's gradient is matched in networks that learn from real images (IDC, Kim et al. 2022)."""

    real_batch: Count = Field(64, description="real images of each class per iteration")
    synthetic_batch: Count | None = Field(
        None, description="decoded images of each class per iteration, by default all"
    )
    updates_per_network: Count = Field(
        100, description="iterations with one network, before another one; states are saved between networks alone"
    )
    distance: Literal["squared", "absolute"] = Field(
        "squared", description="of gradients; published: `absolute` (L1) for MNIST"
    )
    network_images: Count = Field(2000, description="real images that the network learns from between two iterations")
    learner: Training = Field(
        Training(batch_size=64, momentum=0.9, weight_decay=5e-4, augmentation_form="composed", cutmix=0.5),
        description="how the network learns from them, at the stage's step size; keys as of `evaluation`; by default "
        "momentum 0.9, weight decay 5e-4, batches of 64, composed DSA without cutout, and CutMix for half of them",
    )


class Evaluation(Training):
    """Training of fresh networks on a distilled curriculum, or real data; `rtp`, `datm`, `idc` have own defaults."""

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
    step_sizes: Literal["own", "first"] = Field(
        "own", description="whether each stage is trained with the step size learned for it, or all with that of S_1"
    )
    momentum_restarts: bool = Field(
        True, strict=True, description="whether momentum begins anew at each stage; `false`, as PDD does: it goes on"
    )


class Selection(Section):
    """How a snapshot is selected: on the validation split, or the last one where there is none. Never on test data."""

    networks: Count = Field(1, description="networks that score each snapshot")
    also: list[Literal["last", "test"]] = Field(
        ["last", "test"],
        description="other selections evaluated beside it on the matched architecture; `test` is what the field does, "
        "and optimistic; nothing is distilled after it",
    )


class CrossArchitecture(Section):
    """Evaluation of the synthetic sets on other networks than the one they were distilled with."""

    architectures: list[Name] = Field([], description="keys of `architectures`; [] for no such table")
    seeds: Count | None = Field(None, description="how many of `seeds`, from the first; by default all")


class Figures(Section):
    """How figures look; it repeats the figures alone."""

    style: Literal["neurips", "iclr", "cvpr", "wide"] = Field(
        "neurips",
        description="the venue whose text is as wide as they are, so that nothing scales them: 5.5 inches (`cvpr` "
        "6.9), with letters of 8 points; `wide`, for slides and pages: 9 inches and 11 points",
    )
    font: Literal["sans", "serif"] = Field("sans", description="kind of letters; `serif` looks like Times")


class Difficulty(Section):
    """The hard and easy split of the real training instances."""

    networks: Count = Field(3, description="networks whose losses are recorded")
    records: Count = Field(20, description="records per stage, at even intervals of its epochs")


class Coupling(Section):
    """How much the images that react most to a student hold of what the others teach."""

    networks: Count = Field(
        3, description="networks that the images' amplifications are averaged over, and that are trained on each half"
    )
    records: Count = Field(
        4, description="moments of an image's own stage, besides its start, at which its amplification is estimated"
    )
    draws: Count = Field(4, description="random directions of an estimate")


def asks_experts(stage: Coreset) -> bool:
    """Whether experts choose or label the real images that a stage starts from."""
    return stage.initial in CHOSEN_BY_EXPERTS or getattr(stage, "soft_labels", False)
