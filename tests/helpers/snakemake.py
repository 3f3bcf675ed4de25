"""Running the workflow in a temporary copy of the project."""

import os
import re
import shutil
import subprocess
import sys
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
    "datasets": TINY["datasets"]
    | {
        "nette": {"source": "imagenette", "path": "data/imagenet", "validation_fraction": 0.0},
        "mnist": {"source": "mnist", "augmentation": []},
    },
    "cells": [
        *TINY["cells"],
        {"dataset": "nette", "ipc": 1, "methods": {"random": None, "mtt": None}},
        {
            "dataset": "mnist",
            "ipc": 2,
            "architectures": [],
            "methods": {"herding": None, "dm": None, "seqmatch-idc": {"stages": [{}, {}]}},
        },
    ],
}
"""Has jobs of every rule."""


def copy_project(folder: Path, configuration: dict) -> Path:
    """What the workflow needs, with a configuration of its own."""
    for name in ("workflow", "scripts", "tools", "seqmatch", "resources"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", folder)
    configure(folder, configuration)
    return folder


def configure(folder: Path, configuration: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))


def snakemake(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command, inherited = command_line(*arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=inherited | environment)


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
