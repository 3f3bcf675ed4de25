"""Real data from their published files, through the workflow at a tiny scale."""

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.snakemake import copy_project, plan, run

from seqmatch.data.dataset import load

FILES = Path("/usr/share/datasets/fashion-mnist")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"),
]

SMALL = {
    "seeds": [0],
    "data": {"mirrors": {"fashion-mnist": [str(FILES)]}},
    "datasets": {"fashion": {"source": "fashion-mnist", "image_size": 14, "augmentation": ["crop", "scale"]}},
    "architectures": {"convnet": {"family": "convnet", "width": 8, "depth": 3}},
    "experts": {
        "convnet": {"architecture": "convnet", "networks_per_shard": 1, "batch_size": 256, "learning_rate": 0.05}
    },
    "matching": {
        "iterations": 20,
        "snapshots": 1,
        "synthetic_steps": 5,
        "expert_epochs": 1,
        "max_start_epoch": 2,
        "optimizer": "adam",
        "lr_images": 0.03,
        "lr_step_size": 0.002,
        "initial_step_size": 0.08,
    },
    "evaluation": {"networks": 1, "epochs": 60},
    "selection": {"also": []},
    "cells": [{"dataset": "fashion", "ipc": 2, "methods": {"random": None, "seqmatch-mtt": {"stages": [{}, {}]}}}],
}


def test_fashion_mnist_from_its_files_to_a_table(tmp_path):
    folder = copy_project(tmp_path, SMALL)
    assert plan(folder, "results/table1.csv")["fetch_data"] == 1
    run(folder, "results/table1.csv")
    found = json.loads((folder / "data/fashion-mnist/files.json").read_text())
    assert sorted(found) == sorted(path.name for path in FILES.glob("*.gz"))
    dataset = load(folder / "results/fashion/data.safetensors")
    assert dataset.images.shape == (70_000, 1, 14, 14) and len(dataset.splits["test"]) == 10_000
    assert dataset.class_names[0] == "T-shirt/top"
    accuracy = pd.read_csv(folder / "results/table1.csv").set_index("method")["accuracy_mean"]
    assert (accuracy > 20).all(), accuracy  # chance is 10
    assert "Nothing to be done" in run(folder, "results/table1.csv")
