"""What the workflow plans, from nothing."""

import copy
import html
import itertools
import re
import shlex
from collections import defaultdict

import pytest
import yaml
from helpers.parsers import SCRIPTS, parser_of
from helpers.snakemake import EVERYTHING, TINY, copy_project, plan, snakemake
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.planning import contents
from seqmatch.planning.jobs import Plan


def enumerated(configuration):
    """Jobs by rule; that Snakemake plans the same ones is shown in tests/planning/test_jobs.py."""
    return {rule: len(jobs) for rule, jobs in Plan(config.load(configuration)).by_rule.items() if jobs}


def with_subsets(k):
    methods = {"seqmatch-mtt": {"stages": [{} for _ in range(k)]}}
    return TINY | {"cells": [{"dataset": "digits", "ipc": 3, "methods": methods}]}


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_chain_of_k_subsets(k):
    jobs = enumerated(with_subsets(k))
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
        "collect_convergence": 1,
        "measure_resources": 1,
        "collect_resources": 1,
        "figure_difficulty": 1,
        "figure_losses": 1,
        "figure_coupling": 1,
        "figure_convergence": 1,
        "figure_stages": int(k > 1),
        "figure_resources": 1,
        "figure_images": 1,
        "figure_initial": 1,
        "collect_accuracy": 1,
        "count_operations": 1,
        "table1": 1,
        "table2": 1,
        "table4": 1,
        "overview": 1,
    }
    assert jobs == {rule: count for rule, count in expected.items() if count}


def test_planning_needs_no_torch(tmp_path):
    folder = copy_project(tmp_path / "project", TINY)
    (tmp_path / "torch.py").write_text("raise ImportError('planning must not import torch')\n")
    assert plan(folder, PYTHONPATH=str(tmp_path))["distill_subset"] == 4


def test_no_parameter_asks_for_threads_or_resources():
    """It would work out every job's: a quarter more time for the paper's experiments."""
    for path in (ROOT / "workflow").rglob("*.smk"):
        assert not re.search(r"wildcards(, \w+)*, (threads|resources)\b", path.read_text())


def test_every_command_is_one_that_its_script_takes(tmp_path):
    """Each script reads the arguments of all its planned jobs; only Snakemake puts rules and scripts together."""
    configuration = EVERYTHING | {"data": {"mirrors": {"mnist": ["a b", "http://c/d"]}}}
    result = snakemake(copy_project(tmp_path, configuration), "-n", "-p", "all")
    assert result.returncode == 0, result.stdout + result.stderr
    parsers = {path.stem: parser_of(path) for path in SCRIPTS}
    commands = re.findall(r"^Shell command: python scripts/(\w+)\.py (.*) > \S+ 2>&1$", result.stdout, re.MULTILINE)
    assert {script for script, _ in commands} == set(parsers)
    parsed = defaultdict(list)
    for script, arguments in commands:
        parsed[script].append(parsers[script].parse_args(shlex.split(arguments)))
    assert sum(map(len, parsed.values())) == sum(enumerated(configuration).values())
    assert [args.mirror for args in parsed["fetch_data"]] == [["a b", "http://c/d"]]
    assert {args.objective for args in parsed["distill_subset"]} == {None, "trajectory", "distribution", "condensation"}
    assert {len(args.prefix) for args in parsed["train_experts"] if args.evaluation} == {1}


def test_a_path_with_spaces_is_no_obstacle(tmp_path):
    folder = copy_project(tmp_path / "a folder's name", TINY)
    result = snakemake(folder, "--cores", "1", "results/digits/data.safetensors")
    assert result.returncode == 0, result.stdout + result.stderr
    log = (folder / "logs/digits/data.log").read_text()
    assert log.startswith("command: python scripts/prepare_dataset.py --dataset digits --preparation '{")


def test_a_missing_folder_of_images_warns_a_plan_and_stops_a_run(tmp_path):
    data = {"datasets": {"digits": {"source": "imagefolder", "path": "nowhere", "image_size": 8}}}
    folder = copy_project(tmp_path, TINY | data)
    for options, fails in (("-n",), False), (("--cores", "1"), True):
        result = snakemake(folder, *options, "results/digits/data.safetensors")
        assert (result.returncode != 0) == fails
        assert "datasets.digits.path = nowhere: there is no such folder (seen from" in result.stdout + result.stderr
    assert not (folder / "logs/digits/data.log").exists()


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
        ("digits/mtt/ipc3/seed0/accuracy/lenet.csv", "architectures of the configuration does not define lenet"),
    ],
)
def test_a_target_outside_the_configuration_is_explained(tmp_path, target, message):
    result = snakemake(copy_project(tmp_path, TINY), "-n", f"results/{target}")
    assert result.returncode != 0
    assert message in result.stdout + result.stderr


NETTE = {
    "datasets": TINY["datasets"] | {"nette": {"source": "imagenette", "path": "data/imagenet"}},
    "cells": [{"dataset": "nette", "ipc": 1, "methods": {"random": None, "mtt": None}}],
}


def test_subsets_of_imagenet_have_a_table_of_their_own(tmp_path):
    folder = copy_project(tmp_path, TINY | NETTE | {"cells": [*TINY["cells"], *NETTE["cells"]]})
    assert plan(folder, "results/table1.csv")["evaluate"] == 4
    assert plan(folder, "results/table3.csv")["evaluate"] == 2


def test_without_other_cells_there_is_no_table_1(tmp_path):
    jobs = enumerated(TINY | NETTE)
    assert "table3" in jobs and "table1" not in jobs
    result = snakemake(copy_project(tmp_path, TINY | NETTE), "-n", "results/table1.csv")
    assert result.returncode != 0 and "the configuration has no cell of Table 1" in result.stdout + result.stderr


def test_where_nothing_is_analysed_there_is_no_table_of_it(tmp_path):
    result = snakemake(copy_project(tmp_path, TINY | {"analysed": []}), "-n", "results/difficulty.csv")
    assert result.returncode != 0 and "has no distilled method that is analysed" in result.stdout + result.stderr


def test_sequential_methods_are_compared_with_every_variant_of_their_backbone():
    configuration = copy.deepcopy(TINY)
    configuration["cells"][1]["methods"] |= {"mtt-long": {"backbone": "mtt"}, "dm": None}
    found = contents.contrasts(config.load(configuration))
    assert found == [("digits", "3", "seqmatch-mtt", other) for other in ("mtt", "mtt-long")]


def test_a_method_is_compared_with_the_one_that_it_names():
    configuration = copy.deepcopy(TINY)
    two = {"backbone": "mtt", "stages": [{}, {}], "against": "seqmatch-mtt"}
    configuration["cells"][1]["methods"] = {"mtt": None, "seqmatch-mtt": {"stages": [{}, {}]}, "two": two}
    found = contents.contrasts(config.load(configuration))
    assert found == [("digits", "3", "seqmatch-mtt", "mtt"), ("digits", "3", "two", "seqmatch-mtt")]


def test_a_change_of_device_repeats_nothing_and_one_of_style_no_table():
    """What tables and the overview are given of the configuration; jobs are given device and memory as resources."""
    look = {"style": "cvpr", "font": "serif"}
    changes = ({"device": "cpu"}, {"device": "auto"}, {"kept_memory": 3, "compile": "never"}, {"figures": look})
    experiments = [config.load(TINY | change) for change in changes]
    assert len({contents.configuration(experiment) for experiment in experiments}) == 1
    assert len({contents.resolved(experiment) for experiment in experiments}) == 1


def test_the_picture_of_the_rules_shows_the_real_graph(tmp_path):
    configuration = copy.deepcopy(TINY) | {"fair_comparison": True}
    configuration["datasets"]["digits"]["source"] = "mnist"  # one that is fetched
    graph = snakemake(copy_project(tmp_path, configuration), "--rulegraph", "mermaid-js", "all").stdout
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    real = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)}
    drawn = re.sub(r"//.*|\[[^]]*\]", "", (ROOT / "docs/figures/rules.dot").read_text())
    chains = [
        line.split(" -> ") for line in map(str.strip, drawn.splitlines()) if re.fullmatch(r"[a-z0-9_]+( -> \w+)*", line)
    ]
    shown = {pair for chain in chains for pair in itertools.pairwise(chain)}
    rules = {rule for chain in chains for rule in chain} - {"node", "edge"}
    titles = re.findall(r"<title>(.+)</title>", (ROOT / "docs/figures/rules.svg").read_text())
    assert set(map(html.unescape, titles)) == {"rules", *rules, *map("->".join, shown)}, "draw it again"
    assert shown <= real
    assert rules == set(names.values()) - {"all"}


def test_the_default_plan_has_all_that_the_readme_promises():
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text())
    jobs = enumerated(configuration)
    seeds = len(configuration["seeds"])
    assert jobs["distill_subset"] == 6 * seeds and jobs["train_teachers"] == seeds
    assert jobs["evaluate"] == 1 + 5 * seeds + 3 * 3
