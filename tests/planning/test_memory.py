"""Memory that jobs ask for follows from the configuration."""

import pytest
import torch
from helpers.snakemake import EVERYTHING
from helpers.tiny import ROOT

from seqmatch import config, networks
from seqmatch.config.sections import FAMILIES
from seqmatch.data import normalization
from seqmatch.errors import SeqmatchError
from seqmatch.networks import structure
from seqmatch.networks.features import head
from seqmatch.planning import costs, memory
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import RULES, Plan
from seqmatch.planning.sizes import MOST_FILES
from seqmatch.runtime import budget

CIFAR = config.read(ROOT / "config/cifar10.yaml")


def needed(raw, rule):
    """Bytes of the largest job of a rule."""
    experiment = config.load(raw)
    scale = Scale(experiment, memory.approximate)
    return max(memory.needed(scale, rule, job.wildcards) for job in Plan(experiment).by_rule[rule])


def cifar(**dataset):
    """One cell of CIFAR-10 with the paper's hyperparameters, in two rounds, and other settings of its data set."""
    whole, cell = CIFAR["cells"]
    methods = cell["methods"] | {"seqmatch-mtt": cell["methods"]["seqmatch-mtt"] | {"rounds": 2}}
    cells = [whole, cell | {"methods": methods}]
    return {**CIFAR, "cells": cells, "fair_comparison": True, "datasets": {"cifar10": {"source": "cifar10", **dataset}}}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 128, 128)])
def test_parameters_are_known_without_torch(family, shape):
    spec = config.Architecture(family=family, width=16)
    _, _, parameters, *_ = memory.approximate(spec, shape, 10)
    network = structure(spec, shape, 10)
    assert parameters == pytest.approx(sum(p.numel() for p in network.parameters()), rel=0.05)
    assert memory.features(spec, shape) == pytest.approx(head(network).in_features, rel=0.05)


def test_every_rule_that_trains_has_its_memory_counted_for_every_job():
    assert {name for name, rule in RULES.items() if rule.trains} < set(memory.MEMORY) < set(RULES)
    experiment = config.load(EVERYTHING)
    scale = Scale(experiment, memory.approximate)
    for job in Plan(experiment).jobs:
        assert 0 <= memory.needed(scale, job.rule, job.wildcards) < 10**10


def test_memory_grows_with_what_is_kept():
    train, pixels = 49_000, 3 * 32 * 32
    raw = cifar(validation_fraction=0.02)
    shard = 4 * 10 * 22 * 320_010
    assert needed(raw, "train_experts") == pytest.approx(6 * train * pixels + 3 * shard, rel=0.01)
    grown = {**raw, "experts": {"convnet": CIFAR["experts"]["convnet"] | {"networks_per_shard": 100}}}
    assert needed(grown, "train_experts") - needed(raw, "train_experts") == pytest.approx(27 * shard, rel=0.01)
    many = {**raw, "difficulty": {"networks": 100, "records": 500}}
    assert needed(many, "record_losses") > 3 * 4 * 100 * 1001 * train
    assert needed(many, "cluster_difficulty") == pytest.approx(3 * 4 * 100 * 1001 * train)
    of_one = {**raw, "analysed": ["mtt"]}
    assert (
        needed(raw, "cluster_difficulty") > 1.5 * needed(of_one, "cluster_difficulty") > 0
    )  # as one stage is recorded
    snapshots = {**raw, "matching": CIFAR["matching"] | {"snapshots": 1000}}
    for rule in ("distill_subset", "select_snapshot"):
        assert needed(snapshots, rule) - needed(raw, rule) > 990 * 4 * 50 * pixels


def test_a_kernel_over_pairs_of_pixels_says_what_it_takes():
    def asked(kernel, side):
        cell = {"dataset": "cifar10", "ipc": 10, "methods": {"kip": {"stages": [{"kernel": kernel}]}}}
        return needed({**cifar(image_size=side), "cells": [cell]}, "distill_subset")

    more = asked("pooled", 32) - asked("fully-connected", 32)
    assert more == pytest.approx(400 * 100 * (1024**2 + 256**2 + 64**2 - 3))
    assert asked("pooled", 8) - asked("convolutional", 8) < 2 * 10**8
    assert asked("convolutional", 32) - asked("fully-connected", 32) < 2 * 10**8


def test_networks_ask_for_their_parameters_and_batch_norm_for_whole_minibatches():
    def asked(rule, device="cpu", **network):
        spec = {"family": "convnet", "width": 128, "depth": 3} | network
        return needed({**cifar(), "device": device, "architectures": CIFAR["architectures"] | {"convnet": spec}}, rule)

    parameters = 4 * 9 * 2 * (2048**2 - 128**2)
    for rule in memory.MEMORY.keys() - {"prepare_dataset", "evaluate", "cluster_difficulty", "compare_difficulty"}:
        assert asked(rule, width=2048) - asked(rule) > 10 * parameters, rule
    assert asked("distill_subset", width=2048) - asked("distill_subset") > 20 * parameters
    table2 = {"family": "resnet18", "width": 64, "norm": "batch"}
    raw = {**cifar(), "architectures": CIFAR["architectures"] | {"resnet18": table2}}
    plain, whole = ({**raw, "device": device} for device in ("cuda", "cpu"))
    written = sum(networks.activations(config.Architecture(**table2), (3, 32, 32), 10))
    images = 10 * max(cell["ipc"] for cell in raw["cells"] if cell["ipc"] != "all")  # fewer than a minibatch
    assert needed(whole, "evaluate") > needed(plain, "evaluate")
    assert needed(whole, "evaluate") > 13.4 * images * written  # measured bytes


def test_what_planning_assumes_is_what_networks_and_budgets_have():
    main = budget.budget_of(torch.device("cpu"))
    assert (main.class_numbers, main.graph_numbers, budget.NUMBER_BYTES) == (memory.GRAPH, memory.KEPT, costs.NUMBER)
    for shape in ((1, 28, 28), (3, 28, 28), (1, 32, 32)):
        spec = config.Architecture(family="convnet", width=2, depth=1)
        written = networks.activations(spec, shape, 10)
        assert memory._padded(shape) ** 2 * spec.width == max(written)


def test_whitening_asks_for_its_matrices_in_every_job():
    plain, whitened = cifar(), cifar(normalization="zca")
    numbers = (3 * 32 * 32) ** 2
    assert needed(whitened, "prepare_dataset") - needed(plain, "prepare_dataset") == 40 * numbers
    assert needed(whitened, "select_snapshot") - needed(plain, "select_snapshot") == 24 * numbers
    for rule in ("train_experts", "distill_subset", "record_losses", "measure_coupling"):
        assert needed(whitened, rule) - needed(plain, rule) == 4 * numbers
    assert needed(cifar(image_size=8), "prepare_dataset") == 2 * 60_000 * 3 * 32 * 32  # read before it is made smaller


def test_whitening_is_refused_where_the_memory_is_missing(monkeypatch):
    monkeypatch.setattr(normalization, "main_memory", lambda: 10**6)
    with pytest.raises(SeqmatchError, match=r"normalization = zca: whitening images of 192 numbers takes 0.0 GB"):
        normalization.fit_whitening(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), 0.1)


def test_memory_of_this_machine_is_known():
    assert 2**28 < budget.main_memory() < 2**50


def test_a_folder_without_end_is_not_walked_whole(monkeypatch, tmp_path):
    walked = []

    def endless(path):
        while True:
            walked.append(path)
            yield path, [], ["x"] * 1000

    monkeypatch.setattr("os.walk", endless)
    needed(cifar(source="imagefolder", path=str(tmp_path), image_size=8), "prepare_dataset")
    assert len(walked) <= 3 * (MOST_FILES // 1000 + 2)


def test_what_an_update_keeps_of_its_real_images_is_asked_for():
    def asked(method, device="cpu", rule="distill_subset", **changes):
        cells = [{"dataset": "cifar10", "ipc": 10, "methods": {method: None}}]
        return needed({**cifar(), "device": device, "cells": cells, "matching": changes}, rule)

    maps = 4 * 128 * (1024 + 256 + 64)
    batch, features = 4 * 10 * 2 * 256 * 3072, 4 * 10 * 2 * 256 * 2048
    assert asked("dm", real_batch=512) - asked("dm") == batch
    assert asked("cafe", real_batch=512) - asked("cafe") == batch + features
    assert 6 * 10 * maps < asked("cafe") - asked("dm") - features < 8 * 10 * maps
    assert 5 * 256 * maps < asked("dsa") - asked("dm") < 7 * 256 * maps
    assert asked("cafe", device="cuda") == asked("dm", device="cuda") == asked("dsa", device="cuda")
    of_regression = asked("kip", rule="evaluate", kernel="pooled") - asked("kip", rule="evaluate")
    assert of_regression > 0.9 * (asked("kip", kernel="pooled") - asked("kip")) > 10**9
    assert asked("kip", "cuda", "evaluate", kernel="pooled") == asked("kip", "cuda", "evaluate")


def test_memory_that_is_set_for_what_steps_keep_is_asked_for():
    def asked(rule="distill_subset", **changes):
        return needed({**cifar(), **changes}, rule)

    assert asked(kept_memory=3) - asked(kept_memory=0) == 3_000_000_000
    assert asked() - asked(kept_memory=0) == 2_000_000_000  # what a job takes at most by itself
    assert asked(device="cuda", kept_memory=3) == asked(device="cuda")
    assert asked("evaluate", kept_memory=3) == asked("evaluate")
    cells = [{"dataset": "cifar10", "ipc": 10, "methods": {"dm": None}}]
    assert asked(cells=cells, kept_memory=3) == asked(cells=cells)  # takes no student's steps
