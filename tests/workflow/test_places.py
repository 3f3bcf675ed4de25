"""The workflow works from where people start it: by its path, from elsewhere, as a module of another workflow."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.snakemake import TINY, copy_project, run, snakemake
from helpers.tiny import ROOT
from measure_resources import beside

from seqmatch import config
from seqmatch.config import default_file
from seqmatch.errors import SeqmatchError
from seqmatch.planning import host

BARE = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
"""No environment is active."""

MODULE = """
import yaml

module seqmatch:
    snakefile: "{snakefile}"
    config: yaml.safe_load(open("{project}/config.yaml"))
    prefix: "our sets"

use rule * from seqmatch as seqmatch_*

rule everything:
    default_target: True
    input: "our sets/results/table4.csv", "our sets/results/digits/data.safetensors"
"""


def by_path(folder, *arguments):
    """What `snakemake`, called by its path where no environment is active, says and leaves."""
    command = [Path(sys.executable).parent / "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, env=BARE, capture_output=True, text=True)


def test_started_by_its_path_and_from_another_directory(tmp_path):
    project, elsewhere = copy_project(tmp_path / "project", TINY), tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = "results/digits/data.safetensors"
    done = by_path(tmp_path, "-s", project / "workflow/Snakefile", "-d", elsewhere, target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (elsewhere / target).is_file() and not (project / "results").exists()
    assert f"Results are in {elsewhere / 'results'}\n" in done.stderr
    assert [job["rule"] for job in json.loads((elsewhere / "logs/run.json").read_text())["jobs"]] == ["prepare_dataset"]
    (elsewhere / "config.yaml").write_text(yaml.safe_dump(TINY | {"device": "tpu"}))  # its own comes first
    done = by_path(elsewhere, "-s", project / "workflow/Snakefile", target)
    assert done.returncode != 0 and "device = 'tpu'" in done.stdout + done.stderr


def test_as_a_module_with_a_prefix(tmp_path):
    project, parent = copy_project(tmp_path / "project", TINY), tmp_path / "parent"
    parent.mkdir()
    module = MODULE.format(project=project, snakefile=f"{project}/workflow/Snakefile")
    (parent / "Snakefile").write_text(module)
    run(parent)
    assert (parent / "our sets/results/table4.csv").is_file() and not (parent / "results").exists()
    planned = snakemake(parent, "-n", "our sets/results/overview.html", "our sets/results/table2.csv")
    assert planned.returncode == 0, planned.stdout + planned.stderr


def test_a_path_of_an_external_set_is_one_word_of_the_command(tmp_path):
    path = "their sets/x $(touch ran).pt"
    stage = {"images": path, "step_size": 0.05, "space": "normalized", "reference": "none"}
    cell = {"dataset": "digits", "ipc": 1, "methods": {"external": {"stages": [stage]}}}
    folder = copy_project(tmp_path, TINY | {"cells": [cell]})
    (folder / path).parent.mkdir()
    torch.save(torch.zeros(10, 1, 8, 8), folder / path)
    planned = snakemake(folder, "-n", "-p", "results/digits/external/ipc1/seed0/subset1.safetensors")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    (call,) = [line for line in planned.stdout.splitlines() if " --external " in line]
    assert path in shlex.split(call)


def test_as_a_module_out_of_git(tmp_path):
    """As the workflow catalogue deploys it: `github(…)` likewise leaves nothing but a repository without files."""
    project, parent = copy_project(tmp_path / "project", TINY), tmp_path / "parent"
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    (parent / "config").mkdir(parents=True)
    (project / "config.yaml").rename(parent / "config/config.yaml")
    snakefile = f"git+file://{project}/workflow/Snakefile@HEAD"
    (parent / "Snakefile").write_text(MODULE.format(project="config", snakefile=snakefile))
    cache = tmp_path / "cache"
    planned = snakemake(parent, "-n", XDG_CACHE_HOME=str(cache))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    (unpacked,) = cache.glob("snakemake/*/source-cache/seqmatch/*")
    assert (unpacked / "scripts/table4.py").is_file() and not list(unpacked.parent.glob(".*"))


def test_its_own_configuration_may_lie_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_file(ROOT) == ROOT / "config.yaml"
    for name in ("config/config.yaml", "config.yaml"):  # each comes before those above
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
        assert default_file(ROOT) == Path(name)


def test_snakedeploy_finds_configuration_and_profiles_where_it_looks():
    assert config.read(ROOT / "config/config.yaml") == config.read(ROOT / "config.yaml")
    assert (ROOT / "profiles/default/profile.yaml").is_file() and (ROOT / "profiles/slurm/profile.yaml").is_file()


def test_files_of_a_job_are_found_below_a_prefix():
    found = beside(Path("our sets/results/benchmarks/d/x.tsv"), "results/d/x.csv")
    assert found == Path("our sets/results/d/x.csv")
    assert beside(Path("results/benchmarks/d/x.tsv"), "results/d/x.csv") == Path("results/d/x.csv")


@pytest.mark.parametrize("file", ["config.yaml", "other.yaml"])
def test_a_key_that_stands_twice_is_named_with_its_line(tmp_path, file):
    project = copy_project(tmp_path, TINY)
    (project / file).write_text(yaml.safe_dump(TINY) + "seeds: [1]\n")
    result = snakemake(project, "-n", *(["--configfile", file] if file != "config.yaml" else []))
    assert result.returncode != 0
    assert (
        "seeds stands twice in one mapping" in result.stdout + result.stderr and "line" in result.stdout + result.stderr
    )


def test_a_given_file_inherits_nothing(tmp_path):
    project = copy_project(tmp_path, TINY)
    (project / "other.yaml").write_text("seeds: [1]\n")
    result = snakemake(project, "-n", "--configfile", "other.yaml")
    assert result.returncode != 0
    assert "datasets: missing" in result.stdout + result.stderr and "cells: missing" in result.stdout + result.stderr


def python(path, works):
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\nexit {0 if works else 1}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("active", "own", "first"), [(True, True, "active"), (False, True, "own"), (True, False, "active")]
)
def test_jobs_run_the_active_python_unless_it_lacks_what_they_need(tmp_path, monkeypatch, active, own, first):
    monkeypatch.setenv("PATH", str(tmp_path / "active"))
    python(tmp_path / "active/python", active)
    monkeypatch.setattr(sys, "executable", python(tmp_path / "own/python", own))
    host.put_on_path()
    assert os.environ["PATH"].split(os.pathsep)[0] == str(tmp_path / first)


def test_without_any_usable_python_one_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", python(tmp_path / "own/python", works=False))
    with pytest.raises(SeqmatchError, match="uv run snakemake"):
        host.put_on_path()


def test_a_folder_that_cannot_be_written_is_told_of_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host.check_writable()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(SeqmatchError, match=f"^{tmp_path}: cannot write here.* `tools/status.py` only reads"):
        host.check_writable()


@pytest.mark.parametrize(
    ("flags", "settings", "slow"),
    [
        ("avx2 avx512f", {"evaluation": {"precision": "bfloat16"}}, True),
        ("avx2 avx512f", {"cells": [{"methods": {"dc": {"stages": [{"learner": {"precision": "bfloat16"}}]}}}]}, True),
        ("avx2 avx512f", {"evaluation": {"precision": "tf32"}}, False),
        ("avx2 avx512_bf16", {"evaluation": {"precision": "bfloat16"}}, False),
        (None, {"evaluation": {"precision": "bfloat16"}}, False),
    ],
)
def test_arithmetic_that_the_processor_cannot_do_is_warned_of(tmp_path, monkeypatch, flags, settings, slow):
    """Told by what Linux says of the processor; where nothing is said, nothing is known."""
    cpu = tmp_path / "cpuinfo"
    monkeypatch.setattr(host, "CPU", cpu)
    if flags is not None:
        cpu.write_text(f"processor: 0\nmodel name: any\nflags: fpu {flags} sse\n")
    cells = [{"dataset": "digits", "ipc": 2} | cell for cell in settings.get("cells", TINY["cells"])]
    evaluation = TINY["evaluation"] | settings.get("evaluation", {})
    experiment = config.load(TINY | {"cells": cells, "evaluation": evaluation})
    assert host.slow_arithmetic(experiment).startswith("precision: bfloat16 is slow here") == slow


def test_a_user_without_a_name_has_a_number(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    host.name_user()
    assert os.environ["USER"] == str(os.getuid())


def test_jobs_find_what_lies_beside_their_script_whatever_python_leaves_off_its_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "other")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    host.find_shared(tmp_path)
    assert os.environ["PYTHONPATH"] == "other"
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/__init__.py").write_text("")
    (tmp_path / "job.py").write_text("import shared")
    host.find_shared(tmp_path)
    subprocess.run([sys.executable, tmp_path / "job.py"], check=True)


def test_values_within_lists_and_mappings_of_the_command_line_are_numbers(tmp_path):
    """One plan: the jobs of another seed, whose parameters are numbers."""
    given = ["--config", "seeds=[3]", "matching={iterations: 5}", "--"]
    result = snakemake(
        copy_project(tmp_path, TINY), "-n", "-p", *given, "results/digits/mtt/ipc3/seed3/snapshots1.safetensors"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert '"iterations":5,' in result.stdout


@pytest.mark.slow
def test_two_experiments_side_by_side(tmp_path):
    """The second makes no experts, since the first has; in the folder of the first it would replace them."""
    project, shared = copy_project(tmp_path / "project", TINY), str(tmp_path / "shared")
    other = TINY | {"evaluation": {"networks": 1, "epochs": 50}, "seeds": [1]}
    (project / "other.yaml").write_text(yaml.safe_dump(other))
    target = "results/digits/experts/convnet/shard0.safetensors"
    first, second = project / "experiments/first", project / "experiments/second"
    run(project, "-d", "experiments/first", target, SEQMATCH_SHARED=shared)
    data = Path("results/digits/data.safetensors")  # copied, since preparing it takes as long as the rest
    (second / data).parent.mkdir(parents=True)
    shutil.copy(first / data, second / data)
    run(project, "-d", "experiments/second", target, "--configfile", "other.yaml", SEQMATCH_SHARED=shared)
    assert not (project / "results").exists() and not (first / target).is_symlink()
    log = (second / "logs/digits/experts/convnet/shard0.log").read_text()
    assert "was finished in another experiment" in log and "epoch" not in log.split("\n", 1)[1]
    assert (second / target).samefile(first / target)
    other["experts"] = {"convnet": TINY["experts"]["convnet"] | {"learning_rate": 0.06}}
    (project / "other.yaml").write_text(yaml.safe_dump(other))
    refused = snakemake(project, "-c", "1", "-d", "experiments/first", target, "--configfile", "other.yaml")
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "other would replace finished results" in said and "1 of train_experts. Another experiment ran" in said
    assert (first / "results/experiments.txt").read_text() == "config\n" and (first / target).is_file()
