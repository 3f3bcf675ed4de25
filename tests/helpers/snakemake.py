"""Running the workflow in a temporary copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import yaml
from helpers.tiny import ROOT

TINY = {
    "seeds": [0],
    "datasets": {"digits": {"source": "digits", "augmentation": ["crop", "scale"]}},
    "architectures": {
        "convnet": {"family": "convnet", "width": 8, "depth": 2},
        "alexnet": {"family": "alexnet", "width": 8, "norm": "batch"},
    },
    "experts": {
        "convnet": {"architecture": "convnet", "networks_per_shard": 2, "batch_size": 64, "learning_rate": 0.05}
    },
    "matching": {
        "iterations": 20,
        "snapshots": 2,
        "synthetic_steps": 5,
        "expert_epochs": 1,
        "max_start_epoch": 5,
        "optimizer": "adam",
        "lr_images": 0.03,
        "lr_step_size": 0.002,
        "initial_step_size": 0.1,
    },
    "evaluation": {"networks": 2, "epochs": 60},
    "selection": {"networks": 1},
    "cross_architecture": {"architectures": ["alexnet"]},
    "difficulty": {"networks": 1, "records": 4},
    "cells": [
        {
            "dataset": "digits",
            "ipc": "all",
            "methods": {"whole": {"evaluation": {"epochs": 10, "batch_size": 64, "learning_rate": 0.05}}},
        },
        {"dataset": "digits", "ipc": 3, "methods": {"random": None, "mtt": None, "seqmatch-mtt": {"stages": [{}, {}]}}},
    ],
}

EVERYTHING = TINY | {
    "seeds": [0, 1, 2],
    "fair_comparison": True,
    "datasets": TINY["datasets"]
    | {
        "nette": {"source": "imagenette", "path": "data/imagenet", "validation_fraction": 0.0},
        "mnist": {"source": "mnist", "augmentation": []},
    },
    "cells": [
        *TINY["cells"],
        {"dataset": "nette", "ipc": 1, "methods": {"random": None, "mtt": None}},
        {"dataset": "mnist", "ipc": 1, "architectures": [], "methods": {"dm": None}},
        {
            "dataset": "mnist",
            "ipc": 2,
            "architectures": [],
            "methods": {
                "herding": None,
                "dm": None,
                "dm-equal": {"backbone": "dm", "equal_compute": "seqmatch-dm"},
                "seqmatch-dm": {"stages": [{"size": 1}, {}]},
                "seqmatch-idc": {"stages": [{}, {}]},
                "seqmatch-mtt": {"stages": [{}, {}], "rounds": 2},
            },
        },
    ],
}
"""Has jobs of every rule."""


def copy_project(folder: Path, configuration: dict) -> Path:
    """What the workflow needs, with a configuration of its own."""
    for name in ("workflow", "scripts", "tools", "seqmatch", "resources"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    configure(folder, configuration)
    return folder


def configure(folder: Path, configuration: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))


def snakemake(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """A call of Snakemake; with an environment of its own in a process of its own."""
    command, inherited = command_line(*arguments)
    if environment:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=inherited | environment)
    with tempfile.TemporaryDirectory() as said:
        outputs = [Path(said, "stdout"), Path(said, "stderr")]
        print(json.dumps([str(folder), arguments, *map(str, outputs)]), file=forking().stdin, flush=True)
        status = int(forking().stdout.readline())
        return subprocess.CompletedProcess(command, status, *(path.read_text() for path in outputs))


@cache
def forking() -> subprocess.Popen:
    """The process that calls of Snakemake are forked from; it ends with this one."""
    _, environment = command_line()
    command = [sys.executable, "-P", Path(__file__).with_name("forked.py")]  # -P: this folder has another snakemake.py
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def command_line(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """A call of Snakemake, and the environment in which its jobs find this Python."""
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return [sys.executable, "-m", "snakemake", *arguments], os.environ | path


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """What Snakemake says of a run that succeeds."""
    result = snakemake(folder, "--cores", "2", *arguments, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def plan(folder: Path, target: str = "all", **environment: str) -> dict[str, int]:
    """Jobs by rule that a run would have, `total` aside."""
    result = snakemake(folder, "-n", target, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    if "Nothing to be done" in result.stdout + result.stderr:
        return {}
    stats = result.stdout.split("Job stats:")[1]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", stats, flags=re.MULTILINE)}
    jobs.pop("total", None)
    return jobs
