"""The enumeration of jobs is that of the workflow."""

import re

import pytest
import yaml
from helpers.snakemake import EVERYTHING, TINY, copy_project, snakemake
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.planning import contents
from seqmatch.planning.jobs import RULES, Job, Plan, Rule


def listed(text):
    """Rule and wildcards of every job in Snakemake's list."""
    for rule, body in re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)+)", text, re.MULTILINE):
        found = re.search(r"^    wildcards: (.*)$", body, re.MULTILINE)
        pairs = [pair.split("=") for pair in found[1].split(", ")] if found else []
        log = re.search(r"^    log: (\S+)", body, re.MULTILINE)
        yield rule, frozenset(map(tuple, pairs)), log and log[1]


@pytest.mark.parametrize(
    "configuration", [TINY, TINY | {"analysed": []}, EVERYTHING], ids=["tiny", "nothing analysed", "everything"]
)
def test_jobs_are_those_that_snakemake_plans(tmp_path, configuration):
    result = snakemake(copy_project(tmp_path, configuration), "-n", "all")
    assert result.returncode == 0, result.stdout + result.stderr
    planned = set(listed(result.stdout)) - {("all", frozenset(), None)}
    jobs = Plan(config.load(configuration)).jobs
    found = {
        (job.rule, frozenset((name, str(value)) for name, value in job.wildcards.items()), job.log) for job in jobs
    }
    assert found == planned and len(found) == len(jobs)


def test_a_rule_without_cost_or_limit_cannot_be_declared():
    with pytest.raises(TypeError, match=r"cost.*minutes"):
        Rule(outputs=("results/x.csv",), jobs=lambda experiment: iter([]), trains=False)


def test_the_workflow_has_the_rules_that_are_declared():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r"^rule (\w+):|^use rule \w+ as (\w+) with:", text, re.MULTILINE)) == {
        (name, "") if re.search(rf"^rule {name}:", text, re.MULTILINE) else ("", name) for name in RULES
    }


def test_the_slurm_profile_names_every_rule_that_trains():
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/profile.yaml").read_text())
    assert set(profile["set-resources"]) == {name for name, rule in RULES.items() if rule.trains}


def test_one_job_at_a_time_has_the_gpu_unless_more_are_said_to_be_there():
    profile = yaml.safe_load((ROOT / "workflow/profiles/default/profile.yaml").read_text())
    assert profile["resources"] == {"gpu": 1}


def test_log_and_benchmark_are_named_like_the_first_file():
    job = Job("select_snapshot", {"dataset": "d", "method": "m", "ipc": "2", "seed": 0, "subset": 1})
    assert job.outputs == ["results/d/m/ipc2/seed0/subset1.safetensors", "results/d/m/ipc2/seed0/scores1.csv"]
    assert job.log == "logs/d/m/ipc2/seed0/subset1.log"
    assert job.benchmark == "results/benchmarks/d/m/ipc2/seed0/subset1.tsv"


def test_a_run_whose_own_architecture_is_among_the_others_counts_once():
    plan = Plan(config.load(TINY | {"cross_architecture": {"architectures": ["convnet", "alexnet"]}}))
    assert len(plan.of_table2()) == len(set(plan.of_table2())) == 6


@pytest.mark.parametrize("methods", [None, ["mtt"], []])
def test_what_is_measured_of_images_and_networks_is_of_the_methods_that_are_analysed(methods):
    own = {"mtt": None, "dm": None, "seqmatch-mtt": {"stages": [{}, {}]}}
    experiment = {"analysed": methods, "cells": [{"dataset": "digits", "ipc": 4, "methods": own}]}
    plan = Plan(config.load(TINY | experiment))

    def measured(rule):
        return [job.wildcards["method"] for job in plan.by_rule[rule]]

    expected = [name for name in own if methods is None or name in methods]
    assert measured("record_losses") == measured("measure_coupling") == expected
    assert measured("measure_stages") == [name for name in expected if name == "seqmatch-mtt"]
    assert len(plan.by_rule["cluster_difficulty"]) == len(plan.by_rule["figure_coupling"]) == bool(expected)
    assert len(plan.by_rule["figure_convergence"]) == 1 and set(measured("evaluate")) >= set(own)


def test_too_many_jobs_are_named_before_they_are_all_made():
    many = TINY | {"experts": {"convnet": TINY["experts"]["convnet"] | {"shards": 10_000_000}}}
    with pytest.raises(SeqmatchError, match=r"more than 50,000 jobs train_experts; lower experts\.\*\.shards"):
        len(Plan(config.load(many)).jobs)


def test_first_subsets_are_compared_with_what_the_backbone_makes_at_their_size():
    """Subsets of unequal size add up; the whole set, and other methods of that size, are no first subsets."""
    stages = {"stages": [{"size": 1}, {"size": 3}, {}]}
    methods = {2: {"dm": None}, 4: {"dm": None, "other": {"backbone": "dm"}}, 6: {"dm": None, "seqmatch-dm": stages}}
    cells = [{"dataset": "digits", "ipc": ipc, "methods": each} for ipc, each in methods.items()]
    found = contents.prefixes(config.load(TINY | {"cells": cells}))
    assert found == [("digits", "6", "seqmatch-dm", 2, 4, "dm")]


@pytest.mark.parametrize("path", [*ROOT.glob("config/*.yaml"), ROOT / "config.yaml"], ids=lambda path: path.stem)
def test_what_is_compared_of_stages_is_measured(path):
    experiment = config.load(yaml.safe_load(path.read_text()))
    measured = {
        tuple(job.wildcards[name] for name in ("dataset", "ipc", "method"))
        for job in Plan(experiment).by_rule["measure_stages"]
    }
    assert {compared[:3] for compared in contents.prefixes(experiment)} <= measured


def test_difficulty_is_compared_where_subsets_are_distilled_one_after_the_other():
    cells = [
        {"dataset": "digits", "ipc": 4, "methods": {"mtt": None, "two": {"backbone": "mtt", "stages": [{}, {}]}}},
        {"dataset": "digits", "ipc": 6, "methods": {"random": {"stages": [{}, {}]}, "mtt": None}},
    ]
    for given, drawn in ((cells, ["4"]), (cells[1:], [])):
        plan = Plan(config.load(TINY | {"seeds": [0, 1, 2], "cells": given}))
        assert [str(job.wildcards["ipc"]) for job in plan.by_rule["figure_common_difficulty"]] == drawn
        assert len(plan.by_rule["compare_difficulty"]) == len(drawn)
        assert {str(job.wildcards["ipc"]) for job in plan.by_rule["figure_stages"]} >= {"6"}


@pytest.mark.parametrize(
    ("seeds", "compared", "drawn"), [([0, 1, 2], 2, True), ([0, 1], 2, False), ([0, 1, 2], 1, False)]
)
def test_differences_are_drawn_where_there_are_several_and_seeds_to_tell(seeds, compared, drawn):
    methods = {f"other-{index}": {"backbone": "random", "against": "random"} for index in range(compared)}
    cells = [{"dataset": "digits", "ipc": 2, "methods": {"random": None, **methods}}]
    plan = Plan(config.load(TINY | {"seeds": seeds, "cells": cells}))
    assert len(plan.by_rule["comparison"]) == 1
    assert [job.outputs[0] for job in plan.by_rule["figure_differences"]] == [
        "results/figures/digits/differences.png"
    ] * drawn
