"""What `tools/status.py` makes of Snakemake's summary and of logs."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import status
import yaml
from helpers.snakemake import TINY, copy_project

from seqmatch.files.store import save_table
from seqmatch.planning.jobs import Job

ABOUT = {"dataset": "digits", "method": "mtt", "ipc": "2", "seed": 0}
JOBS = [
    Job("prepare_dataset", {"dataset": "digits"}),
    Job("distill_subset", ABOUT | {"subset": 1}),
    Job("evaluate", ABOUT | {"architecture": "convnet"}),
]
DISTILL, EVALUATE = JOBS[1:]
NOW = 10_000.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {"selection": ["validation", "validation", "last"], "accuracy": [88.0, 90.0, 50.0]}
    save_table(Path(EVALUATE.outputs[0]), pd.DataFrame(rows), {})
    Path(DISTILL.log).parent.mkdir(parents=True)
    return tmp_path


def log(text, age):
    Path(DISTILL.log).write_text(text)
    os.utime(DISTILL.log, (NOW - age, NOW - age))


@pytest.mark.parametrize(
    ("text", "age", "state", "shown"),
    [
        ("command\ndistill: 45% loss=0.5\n", 30, "running", "distill_subset: distill: 45% loss=0.5"),
        ("command\ndistill: 45% loss=0.5\n", 3000, "stopped", "distill_subset: distill: 45% loss=0.5"),
        ("command\nended by SIGTERM; more\n", 5, "stopped", "distill_subset: ended by SIGTERM; more"),
        ("command\nerror: out of memory\n", 5, "failed", "distill_subset: error: out of memory"),
        ("", 5, "running", ""),
        ("command\ndone\n", 5, "waiting", ""),
    ],
)
def test_a_cell_is_in_the_state_of_its_most_urgent_job(folder, text, age, state, shown):
    log(text, age)
    table = status.table(JOBS, {DISTILL.log}, NOW).set_index("method")
    assert table.loc["mtt", ["state", "jobs", "accuracy", "last line"]].tolist() == [
        state,
        "1/2",
        "convnet 89.0",
        shown,
    ]
    assert table.loc["", "state"] == "done"


def test_logs_are_found_in_what_snakemake_would_run():
    said = """[Tue Nov 24 07:36:14 2026]
rule distill_subset:
    output: results/x
    log: logs/digits/mtt/a.log (check log file(s) for error details)
localrule all:
    input: results/table1.csv
"""
    assert status.LOG.findall(said) == ["logs/digits/mtt/a.log"]


def test_what_has_not_begun_waits(folder):
    assert status.table(JOBS, {DISTILL.log}, NOW)["state"].tolist() == ["done", "waiting"]


def test_an_experiment_that_has_not_begun_shows_every_cell(tmp_path):
    folder = copy_project(tmp_path / "p", TINY)
    call = [sys.executable, "tools/status.py"]
    result = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=True)
    rows = [[entry.strip() for entry in line.split("|")[1:-1]] for line in result.stdout.splitlines()[2:]]
    assert all(row[4] == "waiting" for row in rows)
    cells = {tuple(row[:4]): row[5] for row in rows if row[2]}
    assert set(cells) == {("digits", "all", "whole", "0")} | {
        ("digits", "3", method, "0") for method in ("random", "mtt", "seqmatch-mtt")
    }
    assert cells["digits", "3", "random", "0"] == "0/4"  # distilled (not at all), chosen, evaluated on two networks
    (tmp_path / "typo.yaml").write_text(yaml.safe_dump(TINY | {"matching": {"iteration": 3}}))
    result = subprocess.run(
        [*call, "--configfile", str(tmp_path / "typo.yaml")], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 1 and "matching.iteration: unknown key" in result.stderr


@pytest.mark.slow
def test_a_finished_experiment_is_done_with_its_numbers(finished):
    call = [sys.executable, "tools/status.py", "--configfile", "config.yaml"]
    result = subprocess.run(call, cwd=finished, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert len(lines) > 6 and all("| done " in line for line in lines[2:])
    accuracy = pd.read_csv(finished / "results/digits/mtt/ipc3/seed0/accuracy/convnet.csv")
    mean = accuracy[accuracy["selection"] == "validation"]["accuracy"].mean()
    assert f"convnet {mean:.1f}" in result.stdout
