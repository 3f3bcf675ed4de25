"""What `seqmatch status` makes of a run's record and of logs."""

import fcntl
import os
import subprocess
import sys
import threading
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.files import TABLES
from helpers.snakemake import TINY, copy_project
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.command import status
from seqmatch.command.status import Seen
from seqmatch.files.store import save_table
from seqmatch.planning import asked
from seqmatch.planning.asked import Asked
from seqmatch.planning.jobs import Job, Plan
from seqmatch.runtime.held import hold, is_held

ABOUT = {"dataset": "digits", "method": "mtt", "ipc": "2", "seed": 0}
JOBS = [
    Job("prepare_dataset", {"dataset": "digits"}),
    Job("distill_subset", ABOUT | {"subset": 1}),
    Job("evaluate", ABOUT | {"architecture": "convnet"}),
]
PREPARE, DISTILL, EVALUATE = JOBS
CELL = "digits ipc 2 mtt seed 0"
BEGUN, NOW = 5_000.0, 10_000.0


def save_accuracies(values):
    rows = TABLES["accuracies"].iloc[[0, 1, 0]].assign(selection=["validation", "validation", "last"], accuracy=values)
    save_table(Path(EVALUATE.outputs[0]), rows, {})
    os.utime(EVALUATE.outputs[0], (NOW, NOW))


def make(job, age):
    for output in job.outputs:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).touch()
        os.utime(output, (NOW - age, NOW - age))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Data are prepared, nothing is distilled, what was distilled before is evaluated."""
    monkeypatch.chdir(tmp_path)
    save_accuracies([88.0, 90.0, 50.0])
    make(PREPARE, 9_000)
    Path(DISTILL.log).parent.mkdir(parents=True)
    return tmp_path


def log(text, age):
    Path(DISTILL.log).write_text(text)
    os.utime(DISTILL.log, (NOW - age, NOW - age))


def run(alive, *anew):
    return Asked((), tuple(JOBS), frozenset(job.log for job in anew), BEGUN, alive)


def rows(run):
    return {row["what"]: row for row in status.table([status.look(job, run, NOW) for job in JOBS])}


def test_accuracies_that_failed_or_cannot_be_read_end_nothing(folder):
    for values, shown in (([None, None, 50.0], "convnet failed"), ([None, 90.0, 50.0], "convnet 90.0 (1 failed)")):
        save_accuracies(values)
        assert rows(None)[CELL]["accuracy"] == shown
    for damaged in (b"", b"a,b\n1,2\n", b"\xff\xfe"):
        Path(EVALUATE.outputs[0]).write_bytes(damaged)
        assert rows(None)[CELL]["accuracy"] == ""


BAR = "distill:   1%|1         | 16/1500 [00:02<03:10, 7.80it/s, loss=0.5, peak 0.40 GiB]\n"
WORDS = "distill_subset: distill 16/1500 loss=0.5, peak 0.40 GiB"
KILLED = "command\nTraceback (most recent call last):\n  File x\n    import torch\nKeyboardInterrupt\n"
RAISED = KILLED.replace("KeyboardInterrupt", "ImportError: no")


@pytest.mark.parametrize(
    ("text", "age", "alive", "state", "shown"),
    [
        (BAR, 30, True, "running", ["7.80it/s", "03:10", WORDS]),
        (BAR, 30, None, "running", ["7.80it/s", "03:10", WORDS]),
        (BAR, 3000, True, "stopped", ["", "", WORDS]),
        (BAR, 30, False, "stopped", ["", "", WORDS]),
        (BAR, 8000, True, "waiting", ["", "", ""]),  # of a run before this one
        (BAR, 8000, False, "stopped", ["", "", WORDS]),
        ("command\nended by SIGTERM; more\n", 5, True, "stopped", ["", "", "distill_subset: ended by SIGTERM; more"]),
        ("command\nerror: out of memory\n", 5, False, "failed", ["", "", "distill_subset: error: out of memory"]),
        (KILLED, 5, True, "stopped", ["", "", "distill_subset: KeyboardInterrupt"]),
        (RAISED, 5, True, "failed", ["", "", "distill_subset: ImportError: no"]),
        ("", 5, True, "running", ["", "", ""]),
        ("command\ndone\n", 5, True, "waiting", ["", "", ""]),
        ("command\ndone\n", 5, False, "not run", ["", "", ""]),
    ],
)
def test_a_cell_is_in_the_state_of_its_most_urgent_job(folder, monkeypatch, text, age, alive, state, shown):
    monkeypatch.setattr(status, "LONGEST_LINE", 200)
    log(text, age)
    found = rows(run(alive, DISTILL))
    assert list(found[CELL].values())[1:] == [state, "1/2", "convnet 89.0", *shown]
    assert found["prepare_dataset digits"]["state"] == "done"


def test_who_holds_the_log_lives_however_long_it_is_silent(folder):
    log(BAR, 3000)
    with Path(DISTILL.log).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        row = rows(run(False, DISTILL))[CELL]
        assert row["state"] == "running" and row["last line"].startswith("distill_subset: no line for 50 min: distill")
    assert rows(run(False, DISTILL))[CELL]["state"] == "stopped"


def test_a_command_holds_its_log_until_it_has_ended(tmp_path):
    code = "import argparse; from seqmatch.command import run; run(lambda _: input(), argparse.ArgumentParser())"
    log = tmp_path / "log"
    with log.open("w") as stream:
        job = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=stream, cwd=ROOT)
        while not log.read_text():
            assert job.poll() is None
        assert is_held(log)
        job.kill()
        job.wait()
    assert is_held(log) is False
    assert is_held(tmp_path / "nothing") is None


def test_who_asks_at_the_moment_that_a_job_begins_is_waited_for(tmp_path):
    with (tmp_path / "log").open("w") as job, (tmp_path / "log").open() as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        threading.Timer(0.03, fcntl.flock, (asked, fcntl.LOCK_UN)).start()
        hold(job.fileno())
        assert is_held(tmp_path / "log")


def test_what_was_finished_and_is_made_anew_is_outdated(folder):
    os.utime(EVALUATE.outputs[0], (BEGUN - 1, BEGUN - 1))
    row = rows(run(False, EVALUATE))[CELL]
    assert (row["state"], row["accuracy"]) == ("outdated", "")
    assert rows(run(True, EVALUATE))[CELL]["state"] == "waiting"
    os.utime(EVALUATE.outputs[0], (BEGUN + 1, BEGUN + 1))
    assert rows(run(True, EVALUATE))[CELL]["accuracy"] == "convnet 89.0"


FEW = ("prepare_dataset", "table4")


def started(folder, wanted):
    """A folder whose run, this process, was asked for the jobs that are wanted."""
    (folder / "config.yaml").write_text(yaml.safe_dump(TINY))
    plan = Plan(config.load(TINY))
    asked.write([Path("config.yaml")], [(job, True) for job in reversed(plan.jobs) if wanted(job)])


def shown(capsys, *files):
    status.main(Namespace(configfile=list(files), directory=Path()))
    *table, _, last = capsys.readouterr().out.splitlines()
    return [[entry.strip() for entry in line.split("|")[1:-1]] for line in table[2:]], last


def test_only_what_the_run_was_asked_for_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    started(tmp_path, lambda job: job.rule in FEW or job.wildcards.get("method") == "random")
    found, last = shown(capsys)
    assert [row[0] for row in found] == ["prepare_dataset digits", "digits ipc 3 random seed 0", "tables and figures"]
    assert found[-1][1:3] == ["waiting", "0/2"] and "is under way: 0 of 7 jobs done" in last
    os.utime("config.yaml", (2e9, 2e9))
    assert "config.yaml changed since: `snakemake -n`" in shown(capsys)[1]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(TINY | {"seeds": [0, 1]}))
    found, last = shown(capsys, Path("other.yaml"))
    assert len(found) > 5 and last.startswith("All of the experiment, since")
    asked.RECORD.write_text("{")
    assert shown(capsys)[1].startswith("All of the experiment")


def test_the_record_is_held_by_a_run_that_lives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "from seqmatch.planning import asked; asked.write(['c.yaml'], []); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as snakemake:
        while not asked.RECORD.exists():
            assert snakemake.poll() is None
        assert asked.read().alive
        snakemake.kill()
    assert asked.read().alive is False and asked.read().configfiles == (tmp_path / "c.yaml",)
    asked.RECORD.unlink()
    assert asked.read() is None


def test_the_time_left_follows_from_jobs_of_the_same_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(config.load(TINY))
    job = plan.by_rule["distill_subset"][-1]
    waiting, running = Seen(job, "waiting"), Seen(job, "running", BAR.replace("00:02<03:10", "50:00<1:40:00"))
    assert status.time_left(plan, [waiting, waiting]) == ""
    assert status.time_left(plan, [running]) == "; about 100 min left"
    assert status.time_left(plan, [running, waiting]) == "; about 4 hours left"
    assert status.time_left(plan, [running, running, waiting]) == "; about 3 hours left"  # side by side
    assert status.time_left(plan, [Seen(job, "running", BAR.replace("03:10", "?"))]) == ""
    Path(job.benchmark).parent.mkdir(parents=True)
    Path(job.benchmark).write_text("s\th:m:s\n604.0\t0:10:04\n")
    assert status.time_left(plan, [Seen(job, "done"), waiting]) == "; about 10 min left"
    assert status.time_left(plan, [Seen(job, "done")]) == ""


def test_an_experiment_that_has_not_begun_shows_every_cell_at_once(tmp_path):
    """Asked from another folder, in an encoding of few letters, without what takes long to import."""
    folder = copy_project(tmp_path / "p", TINY)
    call = [sys.executable, "-X", "importtime", folder / "tools/status.py", "--directory", folder]
    environment = os.environ | {"PYTHONIOENCODING": "iso-8859-1"}
    result = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "yaml" in imported and not imported & {"torch", "pandas", "matplotlib", "snakemake"}
    rows = [[entry.strip() for entry in line.split("|")[1:-1]] for line in result.stdout.splitlines()[2:-2]]
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


@pytest.mark.slow
def test_a_finished_experiment_is_done_with_its_numbers(finished):
    (finished / asked.RECORD).unlink(missing_ok=True)  # of whatever was asked for last
    call = [sys.executable, "tools/status.py", "--configfile", "config.yaml"]
    result = subprocess.run(call, cwd=finished, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()[:-2]
    assert len(lines) > 6 and all("| done " in line for line in lines[2:])
    accuracy = pd.read_csv(finished / "results/digits/mtt/ipc3/seed0/accuracy/convnet.csv")
    mean = accuracy[accuracy["selection"] == "validation"]["accuracy"].mean()
    assert f"convnet {mean:.1f}" in result.stdout
