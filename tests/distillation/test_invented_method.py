"""A method invented here is planned, estimated, distilled, resumed after a kill and shown, by its declaration."""

import runpy
import sys

import pytest
import torch
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.command.estimate import costs_table
from seqmatch.config import Matching
from seqmatch.config.methods import METHODS, OBJECTIVES, Method, Objective, Passes
from seqmatch.files.store import load_table
from seqmatch.matching.match import Match
from seqmatch.planning.jobs import Plan
from seqmatch.report.tables.methods import methods_table
from seqmatch.report.tables.settings import settings_table
from seqmatch.runtime.interruption import Interrupted

EXPERIMENT = {
    "datasets": {"digits": {"source": "digits"}},
    "architectures": {"convnet": {"family": "convnet", "width": 4, "depth": 2}},
    "experts": {"convnet": {"architecture": "convnet"}},
    "matching": {"iterations": 12, "snapshots": 2, "lr_images": 0.05, "initial_step_size": 0.1},
    "evaluation": {"networks": 2, "epochs": 40},
    "cells": [
        {"dataset": "digits", "ipc": 2, "methods": {"centre": None, "seqmatch-centre": {"stages": [{}, {}]}}},
    ],
}

killed_at: list[int] = []
"""Iterations at which the process is to be killed."""


def make_step(problem):
    """Images are drawn to the mean of their class: ten lines, and no network."""
    real, classes = problem.real()
    centres = torch.stack([real[classes == label].mean(0) for label in range(problem.dataset.classes)])

    def step(images, step_size, iteration):
        if iteration in killed_at:
            raise Interrupted(15)
        difference = images - centres[problem.labels]
        return Match(float(difference.square().sum()), 2 * difference, 0.0)

    return step


@pytest.fixture
def experiment(monkeypatch):
    """The method is known as long as the test runs."""
    objective = Objective(
        section=Matching,
        step=f"{__name__}:make_step",
        cost=lambda matching, images: Passes(forward=images.union),
        needs="nothing",
    )
    monkeypatch.setitem(OBJECTIVES, "centre", objective)
    monkeypatch.setitem(METHODS, "centre", Method(title="the mean of each class", objective="centre"))
    killed_at.clear()
    return config.load(EXPERIMENT)


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Runs a command in this process, where the method is known, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(command, /, **options):
        words = [
            word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", *written(value))
        ]
        monkeypatch.setattr(sys, "argv", [str(ROOT / f"scripts/{command}.py"), *words])
        runpy.run_path(sys.argv[0], run_name="__main__")

    return call


def written(value):
    if isinstance(value, config.Section):
        return [value.model_dump_json()]
    return [str(item) for item in (value if isinstance(value, list | tuple) else [value])]


def test_an_invented_method_needs_only_its_declaration(experiment, script, tmp_path):
    run = experiment.runs["digits", "seqmatch-centre", "2"]

    jobs = Plan(experiment).by_rule
    assert {rule: len(jobs[rule]) for rule in ("train_experts", "train_teachers", "distill_subset", "evaluate")} == {
        "train_experts": 0,
        "train_teachers": 0,
        "distill_subset": 3,
        "evaluate": 2,
    }
    costs = costs_table(experiment)
    assert (costs[costs["rule"] == "distill_subset"]["operations"] > 0).all()

    section, architecture = experiment.config.datasets["digits"], experiment.config.architectures[run.architecture]
    script("prepare_dataset", dataset="digits", preparation=section, out="data.safetensors")
    about = {"dataset": "digits", "method": run.method, "ipc": 2, "seed": 0}
    subsets = []
    for k, stage in enumerate(run.stages, start=1):
        distilling = about | {
            "data": "data.safetensors",
            "prefix": list(subsets),
            "objective": run.declaration.objective,
            "matching": stage,
            "architecture": architecture,
            "subset": k,
            "subset_count": 2,
            "save_every": 0,
        }
        killed_at[:] = [7]
        with pytest.raises(SystemExit) as ended:
            script("distill_subset", **distilling, out=f"snapshots{k}.safetensors")
        assert ended.value.code == 128 + 15 and not (tmp_path / f"snapshots{k}.safetensors").exists()
        killed_at[:] = [0, 6]  # a resumed run does not go through these again
        script("distill_subset", **distilling, out=f"snapshots{k}.safetensors")
        killed_at.clear()
        script("distill_subset", **distilling, out=f"whole{k}.safetensors")
        assert (tmp_path / f"snapshots{k}.safetensors").read_bytes() == (
            tmp_path / f"whole{k}.safetensors"
        ).read_bytes()
        script(
            "select_snapshot",
            data="data.safetensors",
            prefix=list(subsets),
            snapshots=f"snapshots{k}.safetensors",
            selections=run.selections,
            architecture=architecture,
            evaluation=run.evaluation,
            architecture_name=run.architecture,
            networks=1,
            name="x",
            scores=f"scores{k}.csv",
            out=f"subset{k}.safetensors",
        )
        subsets.append(f"subset{k}.safetensors")
    script(
        "evaluate",
        **about,
        data="data.safetensors",
        subsets=subsets,
        architecture=architecture,
        evaluation=run.evaluation,
        architecture_name=run.architecture,
        matched_on=run.architecture,
        selection=run.selections[0],
        out="accuracy.csv",
    )

    (row,) = methods_table(load_table(tmp_path / "accuracy.csv"), ["seqmatch-centre"]).itertuples()
    assert (row.method, row.K, row.networks) == ("seqmatch-centre", 2, 2) and row.accuracy_mean > 30
    settings = settings_table(experiment.runs.values()).set_index("method").loc["centre"]
    assert settings["objective"] == "centre" and settings["lr_images"] == "0.05"
    assert "synthetic_steps" not in settings
