"""What `seqmatch status` makes of Snakemake's summary and of logs."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from helpers.files import TABLES
from helpers.snakemake import TINY, copy_project
from helpers.tiny import ROOT

from seqmatch.command import status
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
SNAKEFILE = ROOT / "workflow/Snakefile"


def save_accuracies(values):
    rows = TABLES["accuracies"].iloc[[0, 1, 0]].assign(selection=["validation", "validation", "last"], accuracy=values)
    save_table(Path(EVALUATE.outputs[0]), rows, {})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_accuracies([88.0, 90.0, 50.0])
    Path(DISTILL.log).parent.mkdir(parents=True)
    return tmp_path


def log(text, age):
    Path(DISTILL.log).write_text(text)
    os.utime(DISTILL.log, (NOW - age, NOW - age))


def table(pending, under_way=None):
    return {row["what"]: row for row in status.table(JOBS, {job.log for job in pending}, under_way, NOW)}


ASKED = set(DISTILL.outputs)


def test_accuracies_that_failed_or_cannot_be_read_end_nothing(folder):
    cell = "digits ipc 2 mtt seed 0"
    for values, shown in (([None, None, 50.0], "convnet failed"), ([None, 90.0, 50.0], "convnet 90.0")):
        save_accuracies(values)
        assert table([])[cell]["accuracy"] == shown
    for path in (Path(EVALUATE.outputs[0]).with_suffix(".json"), Path(EVALUATE.outputs[0])):
        path.unlink()
        assert table([])[cell]["accuracy"] == ""


KILLED = "command\nTraceback (most recent call last):\n  File x\n    import torch\nKeyboardInterrupt\n"


@pytest.mark.parametrize(
    ("text", "age", "under_way", "state", "shown"),
    [
        ("command\ndistill: 45% loss=0.5\n", 30, ASKED, "running", "distill_subset: distill: 45% loss=0.5"),
        ("command\ndistill: 45% loss=0.5\n", 3000, ASKED, "stopped", "distill_subset: distill: 45% loss=0.5"),
        ("command\ndistill: 45% loss=0.5\n", 30, None, "stopped", "distill_subset: distill: 45% loss=0.5"),
        ("command\nended by SIGTERM; more\n", 5, ASKED, "stopped", "distill_subset: ended by SIGTERM; more"),
        ("command\nerror: out of memory\n", 5, None, "failed", "distill_subset: error: out of memory"),
        (KILLED, 5, ASKED, "stopped", "distill_subset: KeyboardInterrupt"),
        (KILLED.replace("KeyboardInterrupt", "ImportError: no"), 5, ASKED, "failed", "distill_subset: ImportError: no"),
        ("", 5, ASKED, "running", ""),
        ("command\ndone\n", 5, ASKED, "waiting", ""),
        ("command\ndone\n", 5, {"results/other"}, "not run", ""),
        ("command\ndone\n", 5, None, "not run", ""),
    ],
)
def test_a_cell_is_in_the_state_of_its_most_urgent_job(folder, text, age, under_way, state, shown):
    log(text, age)
    rows = table([DISTILL], under_way)
    assert list(rows["digits ipc 2 mtt seed 0"].values())[1:] == [state, "1/2", "convnet 89.0", shown]
    assert rows["prepare_dataset digits"]["state"] == "done"


def test_what_is_finished_and_would_be_made_anew_is_outdated(folder):
    row = table([EVALUATE])["digits ipc 2 mtt seed 0"]
    assert (row["state"], row["accuracy"]) == ("outdated", "")
    assert table([EVALUATE], set(EVALUATE.outputs))["digits ipc 2 mtt seed 0"]["state"] == "waiting"


def test_the_run_under_way_is_known_by_snakemakes_locks(folder):
    assert status.under_way() is None
    locks = folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    for number, names in enumerate(["a\nb\n", "c\n"]):
        (locks / f"{number}.output.lock").write_text(names)
    (locks / "2.output.lock").symlink_to("gone by now")
    assert status.under_way() == {"a", "b", "c"}


def test_who_may_only_read_is_shown_what_exists(folder, monkeypatch, capsys):
    for said in ("/x/.snakemake: cannot write here", "PermissionError: x", "[Errno 30] Read-only file system: x"):
        failed = SimpleNamespace(returncode=1, stdout="", stderr=said)
        monkeypatch.setattr(subprocess, "run", lambda *_, failed=failed, **__: failed)
        assert status.pending(SNAKEFILE, []) is None
    (folder / "config.yaml").write_text(yaml.safe_dump(TINY))
    status.main(Namespace(configfile=[], directory=folder, snakefile=SNAKEFILE, snakemake=[]))
    shown, noted = capsys.readouterr()
    assert "what exists counts as done" in noted and "0/" in shown


def test_logs_are_found_in_what_snakemake_would_run():
    said = """[Tue Nov 24 07:36:14 2026]
rule distill_subset:
    output: results/x
    log: logs/digits/mtt/a.log (check log file(s) for error details)
localrule all:
    input: results/table1.csv
"""
    assert status.LOG.findall(said) == ["logs/digits/mtt/a.log"]


def test_an_experiment_that_has_not_begun_shows_every_cell(tmp_path):
    """Asked from another folder, in an encoding of few letters."""
    folder = copy_project(tmp_path / "p", TINY)
    call = [sys.executable, folder / "tools/status.py", "--directory", folder]
    environment = os.environ | {"PYTHONIOENCODING": "iso-8859-1"}
    result = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    rows = [[entry.strip() for entry in line.split("|")[1:-1]] for line in result.stdout.splitlines()[2:]]
    assert all(row[1] == "not run" for row in rows)
    cells = {row[0]: row[2] for row in rows}
    assert list(cells) == [
        "prepare_dataset digits",
        "train_experts digits convnet",
        "digits ipc all whole seed 0",
        "digits ipc 3 random seed 0",
        "digits ipc 3 mtt seed 0",
        "digits ipc 3 seqmatch-mtt seed 0",
        "tables and figures",
    ]
    assert cells["digits ipc 3 random seed 0"] == "0/4"  # distilled (not at all), chosen, evaluated on two networks
    (tmp_path / "typo.yaml").write_text(yaml.safe_dump(TINY | {"matching": {"iteration": 3}}))
    result = subprocess.run([*call, "--configfile", "typo.yaml"], cwd=tmp_path, capture_output=True, text=True)
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
