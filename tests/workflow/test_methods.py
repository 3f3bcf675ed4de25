"""Every method through the workflow, on a tiny configuration."""

import copy
import itertools

import pandas as pd
import pytest
import torch
from helpers.snakemake import TINY, copy_project, plan, run

from seqmatch.files.tensors import load_tensors

pytestmark = pytest.mark.slow

EXPERIMENT = copy.deepcopy(TINY)
EXPERIMENT["experts"]["flat"] = EXPERIMENT["experts"]["convnet"] | {"rho": 0.01}
EXPERIMENT["matching"] |= {"experts": "convnet"}
EXPERIMENT["evaluation"] = {"networks": 1, "epochs": 60}
EXPERIMENT["selection"] = {"networks": 1, "also": []}
EXPERIMENT["cross_architecture"] = {"architectures": []}
EXPERIMENT["fair_comparison"] = True
FLAT = {"experts": "flat", "ema": 0.8}
GRADIENT = {"stages": [{"real_batch": 8, "updates_per_network": 5, "network_epochs": 2}]}
CONDENSATION = {
    "real_batch": 8,
    "updates_per_network": 5,
    "network_images": 128,
    "lr_images": 0.03,
    "optimizer": "adam",
}
METHODS = {
    "random": None,
    "herding": None,
    "k-center": None,
    "k-means": None,
    "dc": GRADIENT,
    "dsa": GRADIENT,
    "dm": {"stages": [{"real_batch": 8}]},
    "ftd": {"stages": [FLAT]},
    "seqmatch-ftd": {"stages": [FLAT, FLAT]},
    "datm": {"stages": [{"experts": "flat", "initial_max_start_epoch": 2}]},
    "idc": {"stages": [CONDENSATION], "evaluation": {"learning_rate": 0.05}},
    "seqmatch-idc": {"stages": [CONDENSATION, CONDENSATION], "evaluation": {"learning_rate": 0.05}},
    "beside": {"backbone": "mtt", "stages": [{"size": 2}, {}], "rounds": 2},
    "mtt-equal": {"backbone": "mtt", "equal_compute": "beside"},
    "mtt-mixed": {"backbone": "mtt", "stages": [{"parameterisation": "multi-formation", "formation": 2}]},
}
EXPERIMENT["cells"] = [{"dataset": "digits", "ipc": 3, "methods": METHODS}]


def test_every_method_ends_with_a_row_of_its_own(tmp_path):
    folder = copy_project(tmp_path, EXPERIMENT)
    planned = plan(folder, "results/table1.csv")
    assert (planned["train_experts"], planned["train_teachers"], planned["distill_subset"]) == (2, 3, 18)
    alike = "results/digits/datm/ipc3/seed0/baselines.csv"
    assert (planned["train_teachers_of_round"], planned["distill_round"]) == (1, 4)
    run(folder, "results/table1.csv", alike)
    found = pd.read_csv(folder / alike)
    assert list(zip(found["baseline"], found["labels"], strict=True)) == [("random", "soft"), ("class-labels", "class")]
    table = pd.read_csv(folder / "results/table1.csv").set_index("method")
    assert list(table.index) == list(METHODS)
    assert (table["accuracy_mean"] > 20).all(), table["accuracy_mean"]  # chance is 10
    # The last snapshot of each: the selected one may be the first, real images that several methods start from.
    learned = {name: snapshots(folder, name)["images"][-1] for name in METHODS}
    for one, other in itertools.combinations(METHODS, 2):
        assert not torch.equal(learned[one], learned[other]), (one, other)
    assert "Nothing to be done" in run(folder, "results/table1.csv")


def snapshots(folder, method):
    return load_tensors(folder / f"results/digits/{method}/ipc3/seed0/snapshots1.safetensors")[0]
