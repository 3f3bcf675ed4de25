"""What tables are made of: which runs they show, and beside which published numbers. Imports no torch."""

import hashlib
from collections.abc import Collection
from itertools import accumulate

from seqmatch.config import Experiment, Run
from seqmatch.config.catalog import IMAGENET_SUBSETS
from seqmatch.config.methods import display_name, standard_names
from seqmatch.errors import number

PUBLISHED_NAMES = {
    "convnet": "ConvNet-{depth}",
    "resnet18": "ResNet18",
    "vgg11": "VGG11",
    "alexnet": "AlexNet",
}
"""Names that publications have for families of networks."""

PUBLISHED_SOURCES = (
    *("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100", "tiny-imagenet"),
    *IMAGENET_SUBSETS,
)
"""Sources that resources/published_results.csv has numbers of."""

CHANGES_NO_RESULT = {"device", "compile", "kept_memory", "data", "figures"}
"""Sections of the configuration."""


def in_table3(experiment: Experiment, run: Run) -> bool:
    """Whether a run is on a subset of ImageNet."""
    return experiment.config.datasets[run.dataset].source in IMAGENET_SUBSETS


def in_table1(experiment: Experiment, run: Run) -> bool:
    return not in_table3(experiment, run)


def in_contrasts(contrasts: Collection[tuple[str, str, str, str]], run: Run) -> bool:
    """Whether a run is compared with another one."""
    return any(
        (run.dataset, str(run.ipc)) == (dataset, ipc) and run.method in methods for dataset, ipc, *methods in contrasts
    )


def contrasts(experiment: Experiment) -> list[tuple[str, str, str, str]]:
    """Each method with the one that it names, or if it has several subsets with those of one subset, the same backbone,
    and the same cell: data set, ipc, method, baseline."""
    runs = experiment.runs.values()
    return [
        (run.dataset, str(run.ipc), run.method, other.method)
        for run in runs
        for other in runs
        if (run.dataset, run.ipc) == (other.dataset, other.ipc)
        and (_is_counterpart(run, other) if run.against is None else run.against == other.method)
    ]


def _is_counterpart(run: Run, other: Run) -> bool:
    return run.sequential and other.subsets == 1 and run.backbone == other.backbone


def prefixes(experiment: Experiment) -> list[tuple[str, str, str, int, int, str]]:
    """First subsets of analysed sequential methods where their backbone, under its own name, makes a set of that size
    directly: data set, ipc, method, number of subsets, their images per class, baseline."""
    direct = {(run.dataset, run.ipc, run.method) for run in experiment.runs.values() if run.subsets == 1}
    return [
        (run.dataset, str(run.ipc), run.method, count, size, run.backbone)
        for run in experiment.runs.values()
        if run.sequential and run.analysed
        for count, size in enumerate(accumulate(run.sizes[:-1]), start=1)
        if (run.dataset, size, run.backbone) in direct
    ]


def in_prefixes(prefixes: Collection[tuple[str, str, str, int, int, str]], run: Run) -> bool:
    """Whether first subsets are compared with a run."""
    return any((run.dataset, run.ipc, run.method) == (dataset, size, method) for dataset, *_, size, method in prefixes)


def method_order(experiment: Experiment) -> list[str]:
    """Names of methods in the order of tables: the standard ones, then those of the configuration's own."""
    return list(dict.fromkeys([*standard_names(), *(run.method for run in experiment.runs.values())]))


def method_colors(experiment: Experiment) -> list[str]:
    """Methods in the order of the colours that they have in figures: distilled ones first."""
    runs = sorted(experiment.runs.values(), key=lambda run: not run.distilled)
    return list(dict.fromkeys(run.method for run in runs))


def title(run: Run, seed: str) -> str:
    """Words for a synthetic set: data set, method, images per class and seed."""
    real = "" if run.distilled or run.external else ", real images"
    each = number(run.ipc, "image")
    return f"{run.dataset}, {display_name(run.method, run.subsets)}, {each} per class, seed {seed}{real}"


def published_data(experiment: Experiment) -> dict[str, str]:
    """Data sets that hold a published one as it is, and which."""
    return {
        name: dataset.source
        for name, dataset in sorted(experiment.config.datasets.items())
        if dataset.image_size is None and dataset.source != "imagefolder"
    }


def published_architectures(experiment: Experiment) -> dict[str, str]:
    """Networks whose family publications have a name for, and that name."""
    return {
        name: PUBLISHED_NAMES[network.family].format(depth=network.depth)
        for name, network in sorted(experiment.config.architectures.items())
        if network.family in PUBLISHED_NAMES
    }


def configuration(experiment: Experiment, without: Collection[str] = ()) -> str:
    """What the configuration sets, as JSON, but for what changes no result, and for the sections `without`; defaults
    are the models' own."""
    return experiment.config.model_dump_json(exclude_unset=True, exclude={*CHANGES_NO_RESULT, *without})


def resolved(experiment: Experiment) -> str:
    """A fingerprint of every setting of every run, so that another default reruns what shows them."""
    return hashlib.sha256(repr(experiment.runs).encode()).hexdigest()[:16]
