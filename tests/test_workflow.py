"""What the workflow plans, from nothing."""

import copy
import itertools
import re

import pytest
import yaml
from conftest import ROOT

from workflow import TINY, copy_project, plan, snakemake


def with_subsets(k):
    configuration = copy.deepcopy(TINY)
    configuration["cells"] = [
        {"dataset": "digits", "ipc": 3, "methods": {"seqmatch-mtt": {"stages": [{} for _ in range(k)]}}}
    ]
    return configuration


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_chain_of_k_subsets(tmp_path, k):
    jobs = plan(copy_project(tmp_path, with_subsets(k)))
    expected = {
        "prepare_dataset": 1,
        "train_experts": 1,
        "train_teachers": k - 1,
        "distill_subset": k,
        "select_snapshot": k,
        "evaluate": 2,
        "record_losses": 1,
        "cluster_difficulty": 1,
        "measure_coupling": 1,
        "collect_coupling": 1,
        "measure_stages": int(k > 1),
        "collect_stages": int(k > 1),
        "collect_course": 1,
        "measure_resources": 1,
        "collect_resources": 1,
        "figure_difficulty": 1,
        "figure_losses": 1,
        "figure_coupling": 1,
        "figure_course": 1,
        "figure_stages": int(k > 1),
        "figure_resources": 1,
        "figure_images": 1,
        "figure_initial": 1,
        "collect_accuracy": 1,
        "table1": 1,
        "table2": 1,
        "all": 1,
    }
    assert jobs == {rule: count for rule, count in expected.items() if count}


def test_planning_needs_no_torch(tmp_path):
    folder = copy_project(tmp_path / "project", TINY)
    (tmp_path / "torch.py").write_text("raise ImportError('planning must not import torch')\n")
    assert plan(folder, PYTHONPATH=str(tmp_path))["distill_subset"] == 4


def test_a_path_with_spaces_is_no_obstacle(tmp_path):
    folder = copy_project(tmp_path / "a folder's name", TINY)
    result = snakemake(folder, "--cores", "1", "results/digits/data.safetensors")
    assert result.returncode == 0, result.stdout + result.stderr
    log = (folder / "logs/digits/prepare_dataset.log").read_text()
    assert log.startswith("command: python scripts/prepare_dataset.py --dataset digits --settings '{")


def test_a_fault_in_the_configuration_stops_before_any_job(tmp_path):
    configuration = TINY | {"matching": {"iteration": 5}}
    result = snakemake(copy_project(tmp_path, configuration), "-n", "all")
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "matching.iteration: unknown key" in text and "did you mean iterations?" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("digits/mtt/ipc9/seed0/subset1.safetensors", "no cell of the configuration has mtt on digits with ipc 9"),
        ("digits/mtt/ipc3/seed0/subset2.safetensors", "so there is no subset 2"),
        ("cifar10/data.safetensors", "datasets of the configuration does not define cifar10 (but digits)"),
        ("digits/mtt/ipc3/seed0/accuracy/lenet.csv", "networks of the configuration does not define lenet"),
    ],
)
def test_a_target_outside_the_configuration_is_explained(tmp_path, target, message):
    result = snakemake(copy_project(tmp_path, TINY), "-n", f"results/{target}")
    assert result.returncode != 0
    assert message in result.stdout + result.stderr


def test_the_readmes_picture_shows_the_real_graph(tmp_path):
    configuration = copy.deepcopy(TINY)
    configuration["datasets"]["digits"]["source"] = "mnist"  # one that is fetched
    graph = snakemake(copy_project(tmp_path, configuration), "--rulegraph", "mermaid-js", "all").stdout
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    real = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)}
    picture = (ROOT / "README.md").read_text().split("```mermaid")[1].split("```")[0]
    shown = set()
    for line in picture.splitlines():
        chain = re.findall(r"\w+", re.sub(r'"[^"]*"|flowchart LR', "", line))
        shown |= set(itertools.pairwise(chain))
    assert shown <= real
    assert {rule for edge in shown for rule in edge} == set(names.values()) - {"all"}


def test_the_default_plan_has_all_that_the_readme_promises(tmp_path):
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text())
    jobs = plan(copy_project(tmp_path, configuration))
    seeds = len(configuration["seeds"])
    assert jobs["distill_subset"] == 4 * seeds and jobs["train_teachers"] == seeds
    assert jobs["evaluate"] == 1 + 3 * seeds + 3 * 3
