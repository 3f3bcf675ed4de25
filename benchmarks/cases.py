"""What is timed: each task in our way and in the plain way, on equal shapes, and what it costs at the least.

A task takes a way and sizes and returns the function that does the work once; only that function is timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import peer, plain
from seqmatch import config, networks
from seqmatch.data import normalization
from seqmatch.distillation.condensation import condensation_step
from seqmatch.distillation.trajectory import picks
from seqmatch.files.checkpoint import NoCheckpoint
from seqmatch.matching.dispatch import best_unroll, classes_at_once
from seqmatch.matching.gradient import DIRECTIONS, match_gradient
from seqmatch.matching.match import pull_back
from seqmatch.matching.unrolled import Descent, distance
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode
from seqmatch.training.classes import by_class
from seqmatch.training.ensemble import Member, train_ensemble
from seqmatch.training.experts import Trajectories, save_shard
from seqmatch.training.gradients import Gradients, best_gradients
from seqmatch.training.inference import accuracy
from seqmatch.training.loop import Phase, Stage, train_through
from seqmatch.transforms import dsa

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10
OPERATIONS = tuple(dsa.OPERATIONS)

OURS, PLAIN, TUNED = "seqmatch", "plain", "plain, tuned allocator"
"""The ways: ours, `plain.py` as shipped, and `plain.py` with our settings of the C library's allocator."""

Work = Callable[[], Any]


CHECKOUT = Path()
"""That of the public MTT code, in processes that time it."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    task: str
    """A key of `TASKS`."""
    sizes: dict[str, Any]
    ways: tuple[str, ...] = (OURS, PLAIN, TUNED)
    loops: int = 3
    """Timed repetitions in each process, after one that is not counted."""

    @property
    def name(self) -> str:
        return f"{self.task} {', '.join(f'{key} {value}' for key, value in self.sizes.items())}"


@dataclass(frozen=True)
class Setup:
    """Network, random data and device, shared by the tasks that train or match."""

    width: int
    pixels: int
    channels: int
    device: torch.device
    spec: config.Architecture = field(init=False)

    def __post_init__(self) -> None:
        depth = 2 if self.pixels < 14 else 3
        object.__setattr__(self, "spec", config.Architecture(family="convnet", width=self.width, depth=depth))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.pixels, self.pixels

    @property
    def activations(self) -> list[int]:
        return networks.activations(self.spec, self.shape, CLASSES)

    def classes_at_once(self, real: int, synthetic: int) -> int:
        parameters = networks.count_operations(self.spec, self.shape, CLASSES)[2]
        return classes_at_once(real, synthetic, self.activations, parameters, self.device)

    def peer(self) -> peer.Peer:
        return peer.Peer(CHECKOUT, self.shape, CLASSES, self.width, self.spec.depth, self.device)

    def network(self, name: str = "network") -> nn.Module:
        return networks.build(self.spec, self.shape, CLASSES, Seed("benchmark", name), self.device)

    def data(self, count: int) -> tuple[Tensor, Tensor]:
        generator = Seed("benchmark", "data").generator()
        images = torch.randn(count, *self.shape, generator=generator)
        return images.to(self.device), (torch.arange(count) % CLASSES).to(self.device)


def matching(
    way: str,
    device: torch.device,
    B: int,
    T: int,
    compile: str,
    experts: int = 1,
    kept_memory: float | None = None,
    **size: int,
) -> Work:
    """One distillation iteration: the matching loss and its gradients for images and step size."""
    setup = Setup(**size, device=device)
    images, labels = setup.data(B)
    if way in peer.WAYS:
        public = setup.peer()
        return lambda: [public.match((images, labels), B, T, 0.01) for _ in range(experts)]
    network = setup.network()
    start, end = (plain.flat_parameters(setup.network(name)) for name in ("start", "end"))
    target = start + 0.05 * (end - start)
    if way != OURS:
        return lambda: [plain.match(network, (start, target), (images, labels), B, T, 0.01) for _ in range(experts)]
    settings = config.TrajectoryMatching(synthetic_steps=T, experts_per_step=experts)
    unroll = best_unroll(network, compile, setup.activations, B, T, experts, device, kept_memory)
    return lambda: [
        unroll(start, distance(start, target), images, labels, pick.batches, Descent(0.01))
        for pick in picks(Seed("benchmark"), 1, settings, labels, B, OPERATIONS)
    ]


def gradients(way: str, device: torch.device, real: int, ipc: int, **size: int) -> Work:
    """One match of every class's gradient; plainly, class by class."""
    setup = Setup(**size, device=device)
    network = setup.network()
    images = setup.data(CLASSES * (real + ipc))[0].unflatten(0, (CLASSES, real + ipc))
    real_images, synthetic = images[:, :real], images[:, real:]
    if way != OURS:
        return lambda: plain.match_gradients(network, real_images, synthetic)
    members = torch.arange(CLASSES * ipc, device=device).view(CLASSES, ipc)
    together = setup.classes_at_once(real, ipc)
    return lambda: match_gradient(
        network, real_images, synthetic.flatten(0, 1), members, lambda x: x, DIRECTIONS, together
    )


def condensation(way: str, device: torch.device, real: int, ipc: int, learned: int, **size: int) -> Work:
    """An outer step of IDC: one match of every class's gradient, and a pass of the network over real images."""
    setup = Setup(**size, device=device)
    images, labels = setup.data(max(learned, CLASSES * real))
    stored, stored_labels = setup.data(CLASSES * ipc)
    if way == OURS:
        settings = config.CondensationMatching(updates_per_network=2**20, real_batch=real, network_images=learned)
        step = condensation_step(
            (images, labels),
            lambda seed: setup.network(),
            stored_labels.repeat_interleave(4),
            settings,
            OPERATIONS,
            Seed("condensation"),
            setup.classes_at_once(real, 4 * ipc),
            OPERATIONS,
        )
        numbers = count()

        def work() -> None:
            decoded = decode(stored.requires_grad_(), factor=2)
            match = step(decoded.detach(), 0.01, next(numbers))
            pull_back(decoded, match.image_gradient, stored)

        return work
    network = setup.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loader = plain.loader(images, labels, 64)
    members = by_class(labels).values()
    stored_by_class = torch.stack([stored[index] for index in by_class(stored_labels).values()])

    def plain_work() -> None:
        real_batch = torch.stack([images[index[torch.randperm(len(index))[:real]]] for index in members])
        augmented = plain.augment(real_batch.flatten(0, 1)).view_as(real_batch)
        plain.match_convolutions(network, augmented, stored_by_class)
        plain.cut_and_mix(network, loader, optimizer, learned)

    return plain_work


def training(
    way: str, device: torch.device, images: int, batch: int, compile: str, precision: str = "float32", **size: int
) -> Work:
    """An epoch of training on real images, as experts do it."""
    return _epochs(way, Setup(**size, device=device), images, batch, 1, compile, precision)


def evaluation(
    way: str,
    device: torch.device,
    images: int,
    networks: int,
    epochs: int,
    compile: str,
    joined: int | None = None,
    **size: int,
) -> Work:
    """Training of networks on a small synthetic set; ours are trained as one where a workflow's would be.

    Args:
        joined: how many as one, whatever a workflow's are.
    """
    setup = Setup(**size, device=device)
    if way != OURS:
        each = [_epochs(way, setup, images, 256, epochs, compile) for _ in range(networks)]
        return lambda: [work() for work in each]
    stage, settings = Stage(*setup.data(images), 0.01), config.Training(batch_size=256, momentum=0.9)
    members = [Member(setup.network, [Phase(stage, epochs, settings, Seed(i))]) for i in range(networks)]

    def gradients_for(seen: int) -> Gradients:
        best = best_gradients(compile, setup.spec.norm, setup.activations, seen, device, together=True)
        return best if joined is None else replace(best, joined=lambda full: joined)

    return lambda: train_ensemble(members, lambda *_: None, OPERATIONS, gradients_for, NoCheckpoint(), "evaluation")


def _epochs(
    way: str, setup: Setup, count: int, batch: int, epochs: int, compile: str, precision: str = "float32"
) -> Work:
    network, (images, labels) = setup.network(), setup.data(count)
    if way in peer.WAYS:
        return setup.peer().epochs((images, labels), batch, epochs)
    settings = config.Training(batch_size=batch, momentum=0.9, precision=precision)
    if way == OURS:
        gradients = best_gradients(compile, setup.spec.norm, setup.activations, count * epochs, setup.device)
        phase = Phase(Stage(images, labels, 0.01), epochs, settings, Seed("t"))
        return lambda: train_through(network, [phase], OPERATIONS, gradients)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    loader = plain.loader(images, labels, batch)
    return lambda: [plain.train_epoch(network, loader, optimizer) for _ in range(epochs)]


def testing(way: str, device: torch.device, images: int, **size: int) -> Work:
    """The accuracy of one network."""
    setup = Setup(**size, device=device)
    network, data = setup.network(), setup.data(images)
    if way in peer.WAYS:
        return setup.peer().test(data)
    if way == OURS:
        return lambda: accuracy(network, *data)
    loader = plain.loader(*data, plain.TEST_BATCH, shuffle=False)
    return lambda: plain.test(network, loader)


def whitening(way: str, device: torch.device, images: int, pixels: int) -> Work:
    """ZCA fitted on uint8 images; plainly, by an SVD of the covariance in single precision."""
    generator = Seed("benchmark", "whitening").generator()
    raw = torch.randint(0, 256, (images, 3, pixels, pixels), dtype=torch.uint8, generator=generator)
    if way == OURS:
        return lambda: normalization.fit_whitening(raw, 0.1)
    return lambda: plain.whitening(raw.float() / 255, 0.1)


def reading(way: str, device: torch.device, experts: int, epochs: int, parameters: int) -> Work:
    """Start and target of one iteration from a file of experts; plainly, the file is loaded whole."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "experts"
    generator = Seed("benchmark", "experts").generator()
    trajectories = torch.randn(experts, epochs + 1, parameters, generator=generator)
    if way == OURS:
        save_shard(path, list(trajectories), {})
    else:
        torch.save([list(trajectory.unbind()) for trajectory in trajectories], path)
    del trajectories

    def ours() -> list[Tensor]:
        with Trajectories([path]) as pool:
            return [pool.parameters(experts - 1, epoch) for epoch in (0, epochs)]

    def whole() -> list[Tensor]:
        loaded = torch.load(path)
        return [loaded[-1][0], loaded[-1][-1]]

    work = ours if way == OURS else whole
    return lambda folder=folder: work()


def planning(way: str, device: torch.device, datasets: int, seeds: int) -> Work:
    """`snakemake -n` for an experiment of the paper's size."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "paper.yaml"
    path.write_text(json.dumps(experiment(datasets, seeds)), encoding="utf-8")  # JSON is YAML
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--configfile", str(path)]
    return lambda folder=folder: subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def experiment(datasets: int, seeds: int) -> dict[str, Any]:
    """What is planned: on each data set ipc 10 with K = 2 and ipc 50 with K = 3, three methods each."""
    names = [f"d{index}" for index in range(datasets)]
    subsets = {10: 2, 50: 3}
    return {
        "seeds": list(range(seeds)),
        "datasets": {name: {"source": "digits"} for name in names},
        "architectures": {family: {"family": family} for family in ("convnet", "resnet18")},
        "experts": {"convnet": {"architecture": "convnet", "shards": 10}},
        "cross_architecture": {"architectures": ["resnet18"]},
        "cells": [
            {
                "dataset": name,
                "ipc": ipc,
                "methods": {"random": None, "mtt": None, "seqmatch-mtt": {"stages": [{}] * K}},
            }
            for name in names
            for ipc, K in subsets.items()
        ],
    }


def gemm(way: str, device: torch.device, size: int) -> Work:
    """A product of two square matrices in single precision."""
    left, right = torch.randn(2, size, size, device=device).unbind()
    return lambda: left @ right


def convolution(way: str, device: torch.device, images: int, width: int, pixels: int) -> Work:
    """A 3×3 convolution, channels last: on some processors its library is faster than that of matrix products."""
    maps, weight = torch.randn(images, width, pixels, pixels), torch.randn(width, width, 3, 3)
    maps, weight = (networks.channels_last(tensor.to(device)) for tensor in (maps, weight))
    return lambda: F.conv2d(maps, weight, padding=1)


TASKS = {
    "matching": matching,
    "gradient matching": gradients,
    "condensation": condensation,
    "training": training,
    "evaluation": evaluation,
    "test pass": testing,
    "whitening": whitening,
    "expert reading": reading,
    "planning": planning,
    "gemm": gemm,
    "convolution": convolution,
}

PEAKS = [
    Case("gemm", {"size": 2048}, (OURS,), loops=19),
    Case("convolution", {"images": 16, "width": 256, "pixels": 32}, (OURS,), loops=19),
]
"""What the others are held against: the faster of these."""

GPU_PEAKS = [
    Case("gemm", {"size": 8192}, (OURS,), loops=19),
    Case("convolution", {"images": 256, "width": 256, "pixels": 32}, (OURS,), loops=19),
]
"""The same, of a size that fills a GPU."""


def least_flops(case: Case, way: str) -> float | None:
    """Operations that convolutions and the linear layer need: a bound from below on the work of a case.

    In forward passes, a step of matching needs 3 for ∇ℓ and 6 for the gradients of the directional derivative, or 8
    where nothing is kept of the former. The first layer takes fewer: the images have no tangent, and ∇ℓ does not reach
    them.
    """
    sizes = case.sizes
    if case.task == "gemm":
        return 2.0 * sizes["size"] ** 3
    if case.task == "convolution":
        return 2.0 * 9 * sizes["images"] * (sizes["width"] * sizes["pixels"]) ** 2
    if case.task not in ("matching", "training", "evaluation", "test pass"):
        return None
    setup = Setup(sizes["width"], sizes["pixels"], sizes["channels"], torch.device("cpu"))
    first, rest, *_ = networks.count_operations(setup.spec, setup.shape, CLASSES)
    if case.task == "test pass":
        return sizes["images"] * (first + rest)
    if case.task == "matching":
        nothing_kept = way == OURS and sizes.get("kept_memory") == 0
        passes = (2 + 5) * first + (3 + 8) * rest if nothing_kept else (2 + 4) * first + (3 + 6) * rest
        return sizes["B"] * sizes["T"] * sizes.get("experts", 1) * passes
    return sizes["images"] * sizes.get("networks", 1) * sizes.get("epochs", 1) * (2 * first + 3 * rest)


CIFAR = {"width": 128, "pixels": 32, "channels": 3}
SMALL = {"width": 32, "pixels": 14, "channels": 1}
DIGITS = {"width": 16, "pixels": 8, "channels": 1}
NOTHING = {"kept_memory": 0}
ROUNDED = {"precision": "bfloat16"}

FULL_CASES = [
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "always"}, loops=1),
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "always", **NOTHING}, (OURS,), loops=1),
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "never"}, (OURS,), loops=1),
    Case("matching", {"B": 100, "T": 30, **CIFAR, "compile": "always"}, loops=1),
    Case("matching", {"B": 100, "T": 10, **SMALL, "compile": "never"}),
    Case("matching", {"B": 20, "T": 10, **DIGITS, "compile": "never"}),
    Case("matching", {"B": 20, "T": 10, **DIGITS, "compile": "always"}, (OURS,)),
    Case("gradient matching", {"real": 64, "ipc": 10, **CIFAR}, loops=1),
    Case("gradient matching", {"real": 64, "ipc": 2, **DIGITS}),
    Case("condensation", {"real": 64, "ipc": 10, "learned": 2000, **CIFAR}, loops=1),
    Case("condensation", {"real": 64, "ipc": 2, "learned": 256, **DIGITS}),
    Case("training", {"images": 2048, "batch": 256, **CIFAR, "compile": "always"}, loops=1),
    Case("training", {"images": 2048, "batch": 256, **CIFAR, "compile": "never"}, (OURS,), loops=1),
    Case("training", {"images": 2048, "batch": 256, **CIFAR, "compile": "never", **ROUNDED}, (OURS,), loops=1),
    Case("training", {"images": 8192, "batch": 256, **SMALL, "compile": "always"}),
    Case("training", {"images": 8192, "batch": 256, **SMALL, "compile": "never"}, (OURS,)),
    Case("evaluation", {"images": 20, "networks": 5, "epochs": 150, **DIGITS, "compile": "never"}),
    Case("evaluation", {"images": 100, "networks": 5, "epochs": 50, **SMALL, "compile": "always"}),
    Case("evaluation", {"images": 100, "networks": 5, "epochs": 50, **SMALL, "compile": "never"}, (OURS,)),
    Case("test pass", {"images": 2000, **CIFAR}, loops=2),
    Case("test pass", {"images": 10_000, **SMALL}),
    Case("whitening", {"images": 50_000, "pixels": 32}, (OURS, PLAIN), loops=1),
    Case("expert reading", {"experts": 10, "epochs": 22, "parameters": 320_010}, (OURS, PLAIN)),
    Case("planning", {"datasets": 6, "seeds": 5}, (OURS,)),
]

QUICK_CASES = [
    Case("matching", {"B": 100, "T": 10, **SMALL, "compile": "never"}, loops=2),
    Case("training", {"images": 4096, "batch": 256, **SMALL, "compile": "never"}, loops=2),
    Case(
        "evaluation", {"images": 20, "networks": 5, "epochs": 100, **DIGITS, "compile": "never"}, (OURS, PLAIN), loops=2
    ),
    Case("test pass", {"images": 5000, **SMALL}, (OURS, PLAIN)),
    Case("whitening", {"images": 10_000, "pixels": 16}, (OURS, PLAIN), loops=1),
    Case("expert reading", {"experts": 4, "epochs": 10, "parameters": 320_010}, (OURS, PLAIN)),
    Case("planning", {"datasets": 2, "seeds": 3}, (OURS,), loops=1),
]

BOTH = (OURS, PLAIN)
GPU_CASES = [
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "always"}, BOTH, loops=5),
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "always", **NOTHING}, (OURS,), loops=5),
    Case("matching", {"B": 100, "T": 10, **CIFAR, "compile": "never"}, (OURS,), loops=5),
    Case("matching", {"B": 10, "T": 50, **CIFAR, "compile": "always"}, BOTH, loops=5),
    Case("matching", {"B": 10, "T": 50, **CIFAR, "compile": "never"}, (OURS,), loops=5),
    Case("gradient matching", {"real": 256, "ipc": 1, **CIFAR}, BOTH, loops=5),
    Case("condensation", {"real": 64, "ipc": 10, "learned": 2000, **CIFAR}, BOTH, loops=2),
    Case("training", {"images": 4096, "batch": 256, **CIFAR, "compile": "always"}, BOTH, loops=2),
    Case("training", {"images": 4096, "batch": 256, **CIFAR, "compile": "never"}, (OURS,), loops=2),
    Case("training", {"images": 4096, "batch": 256, **CIFAR, "compile": "never", "precision": "tf32"}, (OURS,)),
    Case("training", {"images": 4096, "batch": 256, **CIFAR, "compile": "never", **ROUNDED}, (OURS,)),
    Case("evaluation", {"images": 10, "networks": 5, "epochs": 100, **CIFAR, "compile": "never"}, BOTH, loops=2),
    Case("evaluation", {"images": 10, "networks": 5, "epochs": 100, **CIFAR, "compile": "never", "joined": 5}, (OURS,)),
    Case("evaluation", {"images": 100, "networks": 5, "epochs": 50, **CIFAR, "compile": "never"}, BOTH, loops=2),
    Case("evaluation", {"images": 100, "networks": 5, "epochs": 50, **CIFAR, "compile": "never", "joined": 5}, (OURS,)),
    Case("test pass", {"images": 10_000, **CIFAR}, BOTH, loops=2),
]
"""Of the sizes that GPUs are for. Whitening, files and planning are the CPU's."""

COLOURED = {"channels": 3, "compile": "never"}
PEER = [
    Case("matching", {"B": 20, "T": 10, "width": 16, "pixels": 16, **COLOURED}),
    Case("evaluation", {"images": 100, "networks": 5, "epochs": 50, "width": 32, "pixels": 16, **COLOURED}),
]
"""Small ones beside the others with the public code, which takes coloured images."""

Curve = tuple[str, str, list[Case]]
"""What grows, the task's fixed sizes in words, and its cases."""


def curves(base: dict[str, int], mode: str, growing: dict[str, list[int]]) -> list[Curve]:
    """Our own cost of matching against its synthetic steps T, its minibatch B or its experts; nothing is kept."""
    fixed = {"T": 10, "B": 100, "experts": 1}
    return [
        (
            name,
            ", ".join(f"{key} {value}" for key, value in {**fixed, **base}.items() if key != name),
            [
                Case("matching", {**fixed, name: value, **base, "compile": mode, **NOTHING}, (OURS,), loops=1)
                for value in values
            ],
        )
        for name, values in growing.items()
    ]


@dataclass(frozen=True)
class Suite:
    """What is timed in one run."""

    cases: list[Case]
    curves: list[Curve]
    rounds: int
    """Processes for each case and way, unless a caller says otherwise."""


FULL = Suite(FULL_CASES, curves(CIFAR, "always", {"T": [10, 20, 40, 80], "B": [25, 50, 100], "experts": [1, 2]}), 3)
QUICK = Suite(QUICK_CASES, curves(SMALL, "never", {"T": [10, 40], "B": [25, 100], "experts": [1, 2]}), 1)
GPU = Suite(GPU_CASES, curves(CIFAR, "always", {"T": [10, 40]}), 1)
"""Against the steps alone: another minibatch is compiled anew."""
