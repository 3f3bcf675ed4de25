import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.snakemake import TINY
from helpers.tiny import ROOT

from seqmatch import config, networks
from seqmatch.command import estimate
from seqmatch.command.estimate import costs_table
from seqmatch.errors import SeqmatchError
from seqmatch.planning.costs import CALL_SECONDS, START_SECONDS, WRITING, Scale
from seqmatch.planning.jobs import OF_A_RUN, RULES, Plan
from seqmatch.seeds import Seed

FILES = sorted((ROOT / "config").glob("*.yaml"))


def test_every_job_that_trains_costs_something():
    table = costs_table(config.load(TINY))
    trained = table[~table["rule"].isin(["prepare_dataset", "distill_subset", "select_snapshot"])]
    assert (trained["operations"] > 0).all() and len(table) == table["job"].nunique()
    jobs = Plan(config.load(TINY)).by_rule
    assert {rule: len(jobs[rule]) for rule in set(table["rule"])} == table["rule"].value_counts().to_dict()


def test_operations_of_a_network_are_counted_as_pytorch_counts_them():
    from torch.utils.flop_counter import FlopCounterMode

    spec, shape = config.Architecture(family="convnet", width=8, depth=3), (3, 32, 32)
    first, rest, parameters, *_ = networks.count_operations(spec, shape, 10)
    network = networks.build(spec, shape, 10, Seed("n"))
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        network(torch.zeros(1, *shape))
    assert first + rest == counted.get_total_flops()
    assert parameters == sum(parameter.numel() for parameter in network.parameters())


def test_costs_of_one_cell_by_hand():
    """CIFAR-10 with ten images per class: the numbers of the paper's hyperparameters, multiplied out."""
    experiment = config.load(config.read(ROOT / "config/cifar10.yaml"))
    first, rest, parameters, written, layers = networks.count_operations(
        experiment.config.architectures["convnet"], (3, 32, 32), 10
    )
    assert parameters == 320_010
    by_rule = dict(list(costs_table(experiment).groupby("rule")))
    experts = by_rule["train_experts"]
    assert len(experts) == 10 and experts["disk"].sum() == 100 * 22 * 4 * parameters  # 19 + 2 epochs, and the start
    assert experts["operations"].sum() == pytest.approx(100 * 21 * 49_000 * (2 * first + 3 * rest))
    random, mtt, _, second = by_rule["distill_subset"]["operations"]
    assert mtt == pytest.approx(5000 * 30 * 100 * (7 * first + 11 * rest))
    assert second == pytest.approx(5000 * 80 * 50 * (7 * first + 11 * rest))
    assert random == 0
    assert (written, layers) == (128 * (32**2 + 16**2 + 8**2) + 10, 4)
    *_, seconds = costs_table(experiment, 1e12).groupby("rule", sort=False).get_group("distill_subset")["seconds"]
    passes = 5000 * 80 * 11
    assert seconds == pytest.approx(
        START_SECONDS + (second + WRITING * passes * 50 * written) / 1e12 + CALL_SECONDS * passes * 4
    )


def costs_of(rule, method, entry, **settings):
    """Of each job of a rule, for one method of four images per class of the digits; and what its network does."""
    cell = {"dataset": "digits", "ipc": 4, "methods": {method: entry}}
    experiment = config.load(TINY | {"cells": [cell], "cross_architecture": {}} | settings)
    scale = Scale(experiment, networks.count_operations)
    found = [RULES[rule].cost(scale, job.wildcards).operations for job in Plan(experiment).by_rule[rule]]
    return found, scale.work("digits", "convnet"), scale.data("digits")


@pytest.mark.parametrize(("also", "fraction"), [(["test"], 0.1), ([], 0.1), (["test"], 0.0)])
def test_selection_tests_each_snapshot_on_what_it_is_scored_for(also, fraction):
    """Those of earlier subsets by the first choice alone; without validation images that is the last, unscored."""
    datasets = {"digits": {"source": "digits", "validation_fraction": fraction}}
    settings = {"datasets": datasets, "selection": {"networks": 3, "also": also}}
    (first, second), work, data = costs_of("select_snapshot", "seqmatch-mtt", {"stages": [{}, {}]}, **settings)
    learned = [work.training(60 * images, images).operations for images in (20, 40)]
    tested = [3 * data.validation, 3 * (data.validation + data.tested * bool(also))]
    ways = [3 * learned[0] * (fraction > 0), learned[0] + 3 * learned[1]]
    expected = [3 * (way + work.forward(images).operations) for way, images in zip(ways, tested, strict=True)]
    assert [first, second] == pytest.approx(expected)


def test_evaluation_counts_what_a_method_s_own_protocol_takes():
    alone = {"selection": {"networks": 1, "also": []}}
    (shared,), work, data = costs_of("evaluate", "mtt", {}, **alone)
    (replayed,), *_ = costs_of("evaluate", "dd", {"stages": [{"synthetic_steps": 7, "synthetic_batch": 2}]}, **alone)
    expected = 2 * (work.training(7 * 20, 20).operations + work.forward(data.tested).operations)
    assert replayed - shared == pytest.approx(expected)
    (kernel,), *_ = costs_of("evaluate", "kip", {"stages": [{"kernel": "fully-connected"}]}, **alone)
    assert kernel - shared == pytest.approx(10_000 * 40 * (data.tested + 40) * 3)  # layers


def test_operations_of_kernels_by_hand():
    raw = config.read(ROOT / "config/cifar10.yaml")
    stage = {"kernel_depth": 2, "real_batch": 20, "iterations": 7}
    stages = [{"kernel": kernel, **stage} for kernel in ("fully-connected", "convolutional", "pooled")]
    methods = {f"kip-{index}": {"backbone": "kip", "stages": [each]} for index, each in enumerate(stages)}
    table = costs_table(config.load({**raw, "cells": [{"dataset": "cifar10", "ipc": 10, "methods": methods}]}))
    found = table[table["rule"] == "distill_subset"]["operations"].tolist()
    pairs = 100 * (200 + 150)
    assert found == pytest.approx([7 * 20_000 * pairs * numbers for numbers in (2, 2 * 1024, 1024**2 + 256**2)])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_can_be_estimated(path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda place: SimpleNamespace(free=10**15))
    estimate.main(SimpleNamespace(configfile=[path], directory=Path(), tflops=10.0, jobs=2))
    said = capsys.readouterr().out
    assert "| all" in said and "at 10 TFLOP/s, 2 jobs side by side, to" in said


def test_a_disk_that_is_too_small_is_an_error(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(SeqmatchError, match=r"GB will be written, but only 0\.0 GB are free in"):
        estimate.main(SimpleNamespace(configfile=[ROOT / "config.yaml"], directory=Path(), tflops=1.0, jobs=1))
    assert "| all" in capsys.readouterr().out


def test_images_that_cannot_be_counted_are_told_of(tmp_path, capsys):
    raw = config.read(ROOT / "config.yaml")
    raw["datasets"]["digits"] = {"source": "imagefolder", "path": "/nowhere", "image_size": 8}
    (tmp_path / "x.yaml").write_text(json.dumps(raw))
    estimate.main(SimpleNamespace(configfile=[tmp_path / "x.yaml"], directory=Path(), tflops=1.0, jobs=1))
    said = capsys.readouterr()
    assert (
        said.err.startswith("warning: datasets.digits.path = /nowhere: no images can be read") and "| all" in said.out
    )


@pytest.mark.parametrize(
    ("backbone", "curriculum"),
    [("mtt", "subset"), *((name, "union") for name in ("mtt", "rtp", "dsa", "dm", "cafe", "idc", "kip"))],
)
def test_equal_compute_is_equal_in_operations(backbone, curriculum):
    """Of distillation and of evaluation; teachers come on top."""
    raw = config.read(ROOT / "config/choices.yaml")
    raw["matching"] |= {"iterations": 600}
    stages = [{"iterations": 300, "size": 3}, {"size": 2}, {"iterations": 900, "size": 1}]
    methods = {
        "several": {"backbone": backbone, "stages": stages, "evaluation": {"curriculum": curriculum}},
        "one": {"backbone": backbone, "equal_compute": "several", "evaluation": {"batch_size": 64}},
    }
    cell = {"dataset": "digits", "ipc": 6, "matching": {"experts": "digits"}, "methods": methods}
    table = costs_table(config.load(raw | {"cells": [cell], "seeds": [0], "analysed": None}))
    for rule, apart in (("distill_subset", 0.01), ("evaluate", 0.05)):  # evaluation has test images too
        several, one = (
            table[(table["rule"] == rule) & table["job"].str.contains(f"/{name}/")]["operations"].sum()
            for name in methods
        )
        assert one == pytest.approx(several, rel=apart), rule


@pytest.mark.parametrize(
    ("method", "stages", "expected"),
    [
        ("seqmatch-mtt", [{}, {}], 4),
        ("idc", [{}], 16),  # four for each stored one
        ("rtp", [{"memories": 4, "initial": "random"}], 62),  # sums of four memories have four numbers in place of 64
        ("rtp", [{"memories": 2}], 0),
        ("mtt", [{"initial": "noise"}], 4),  # as many as there are places for noise
    ],
)
def test_images_that_a_run_starts_from_are_counted(method, stages, expected):
    cell = {"dataset": "digits", "ipc": 4, "methods": {method: {"stages": stages}}}
    (run,) = config.load(TINY | {"cells": [cell], "analysed": None}).runs.values()
    started = Scale(config.load(TINY | {"cells": [cell]}), networks.count_operations).started(run)
    assert started == (pytest.approx(expected, rel=0.1) if expected else 0)


def test_operations_of_one_seed_are_those_of_its_experts_and_its_own_jobs():
    experiment = config.load(TINY | {"seeds": [0, 1]})
    table = costs_table(experiment)
    plan = Plan(experiment)
    scale = Scale(experiment, networks.count_operations)
    for method, experts in (("random", False), ("seqmatch-mtt", True)):
        run = experiment.runs["digits", method, "3"]
        own = table["job"].str.contains(f"/{method}/ipc3/seed0/") & table["rule"].isin(OF_A_RUN)
        own &= ~table["job"].str.contains("accuracy/") | table["job"].str.contains(f"accuracy/{run.architecture}")
        shared = (table["rule"] == "train_experts") & experts
        assert plan.operations(scale, run) == pytest.approx(table.loc[own | shared, "operations"].sum())
