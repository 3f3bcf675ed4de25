"""Scripts, called in this process."""

import contextlib
import io
import sys
from functools import cache
from unittest import mock

import torch
from helpers.files import ARCHITECTURE
from helpers.parsers import captured
from helpers.tiny import ROOT
from shared import command, compute

from seqmatch.runtime import device as devices

RUN = ["--dataset", "d", "--method", "mtt", "--ipc", "2", "--seed", "0"]
ONE = '{"epochs": 1, "networks": 1}'
NETWORK = ["--data", "data", "--architecture", ARCHITECTURE, "--compile", "never"]
TRAINING = [*NETWORK, "--evaluation", ONE]
SET = [*TRAINING, *RUN, "--subsets", "subset"]
PUBLISHED = ["--published", "published.csv", "--published-data", '{"d": "cifar10"}']
CONFIGURATION = (
    '{"datasets": {"d": {"source": "digits"}}, "architectures": {"c": {"family": "convnet"}}, "experts": '
    '{"e": {"architecture": "c"}}, "cells": [{"dataset": "d", "ipc": 4, "methods": {"random": {}}}]}'
)
FIGURE = ["--out", "f.png", "f.csv", "f.txt", "f.tex"]

CALLS = {
    "cluster_difficulty": ["losses", "--out", "o.csv", "--bins", "b.csv", "--csv", "s.csv"],
    "collect_convergence": ["snapshots", "--score-tables", "scores.csv", "--out", "o.csv"],
    "collect_tables": ["coupling.csv", "--out", "o.csv"],
    "compare_difficulty": ["losses", "--out", "o.csv"],
    "prefixes": ["stages.csv", "--accuracies", "accuracies.csv", "--prefixes", '[["d", "4", "mtt", 1, 4, "mtt"]]',
                 "--csv", "o.csv"],
    "comparison": ["accuracies.csv", "--contrasts", '[["d", "4", "mtt", "mtt"]]', "--csv", "o.csv"],
    "count_operations": ["--configuration", CONFIGURATION, "--out", "o.csv"],
    "distill_subset": [*NETWORK, *RUN, "--subset", "1", "--subset-count", "1", "--matching",
                       '{"iterations": 0}', "--objective", "distribution", "--out", "o", "--prefix", "--experts"],
    "evaluate": [*SET, "--architecture-name", "c", "--matched-on", "c", "--selection", "last", "--also", "test",
                 "--snapshots", "snapshots", "--scores", "scores.csv", "--out", "o.csv"],
    "evaluate_baselines": [*SET, "--architecture-name", "c", "--out", "o.csv"],
    "fair": ["accuracies.csv", "--baselines", "baselines.csv", "--methods", "mtt", "--csv", "o.csv"],
    "fetch_data": ["--source", "mnist", "--mirror", "nowhere", "--out", "fetched/files.json"],
    "figure_convergence": ["convergence.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_common_difficulty": ["common_difficulty.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_coupling": ["coupling.csv", *FIGURE, "--dataset", "d"],
    "figure_differences": ["comparison.csv", *FIGURE, "--dataset", "d"],
    "figure_difficulty": ["difficulty.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_images": ["subset", *FIGURE, "--title", "t"],
    "figure_losses": ["losses-table.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_resources": ["resources.csv", *FIGURE, "--dataset", "d"],
    "figure_stages": ["stages.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "measure_coupling": [*SET, "--coupling", '{"networks": 1, "records": 1, "draws": 1}', "--out", "o.csv"],
    "measure_resources": ["--dataset", "d", "--job", "rule", "file", "--benchmarks", "benchmark.tsv", "--out", "o.csv"],
    "measure_stages": [*SET, "--architecture-name", "c", "--out", "o.csv"],
    "overview": ["--tables", "methods.csv", "--comparison", "comparison.csv", "--accuracies", "accuracies.csv",
                 "--resources", "resources.csv", "--configuration", CONFIGURATION, *PUBLISHED, "--out", "o.html",
                 "--configuration-page", "c.html"],
    "prepare_dataset": ["--dataset", "d", "--preparation", '{"source": "digits"}', "--out", "o"],
    "published": ["--method-tables", "methods.csv", "--architecture-tables", "architectures.csv", *PUBLISHED,
                  "--published-architectures", '{"c": "ConvNet-3"}', "--csv", "o.csv"],
    "record_losses": [*SET, "--difficulty", '{"networks": 1, "records": 1}', "--out", "o"],
    "select_snapshot": [*TRAINING, "--snapshots", "snapshots", "--selections", "validation", "--networks", "1",
                        "--architecture-name", "c", "--name", "d/mtt", "--scores", "s.csv", "--out", "o"],
    "table1": ["accuracies.csv", "--number", "1", "--methods", "mtt", *PUBLISHED, "--csv", "o.csv"],
    "table2": ["accuracies.csv", "--methods", "mtt", *PUBLISHED, "--published-architectures", '{"c": "ConvNet-3"}',
               "--csv", "o.csv"],
    "table4": ["--configuration", CONFIGURATION, "--csv", "o.csv"],
    "train_experts": [*NETWORK, "--recipe", '{"architecture": "c", "networks_per_shard": 1}', "--epochs", "1",
                      "--shard", "0", "--name", "d/e", "--out", "o"],
}  # fmt: skip
"""One call of each script that does what it should."""


@cache
def _script(name):
    return captured(ROOT / "scripts" / f"{name}.py")


def call(script, *words):
    """The status with which a script ends, and what it says; an error that is not made for people is raised."""
    said = io.StringIO()
    argv = [str(ROOT / "scripts" / f"{script}.py"), *map(str, words)]
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(devices, "prepare", lambda gpus, threads: torch.device("cpu")),
        mock.patch.object(compute, "digest", lambda *code: "the code"),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        try:
            command.run(*_script(script))
        except SystemExit as ended:
            return ended.code, said.getvalue()
    return 0, said.getvalue()


def outcome(script, *words):
    """Empty for a call that ends with one line that says what is wrong; else what happened instead."""
    try:
        status, said = call(script, *words)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    last = said.splitlines()[-1] if said else ""
    return "" if status in (1, 2) and "error: " in last else f"status {status}: {last}"
