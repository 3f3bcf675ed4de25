"""Print what is done, running, stopped, failed and waiting, cell by cell, with the accuracies so far.

Asks Snakemake which jobs are to be run, and reads the logs of these: a job writes at least one line per minute, and one
when it is done, so a log that has grown lately and does not end so is that of a running job, if Snakemake runs at all.
Writes nothing. Where Snakemake cannot be asked, since it would have to write, or is not installed, or the workflow is
not there (as beside an installed package: --snakefile says where), what exists counts as done.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from tabulate import tabulate

from seqmatch import config
from seqmatch.command import experiment
from seqmatch.command.arguments import path
from seqmatch.command.frame import DONE
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_table
from seqmatch.planning.jobs import RULES, Job, Plan

SECONDS_ALIVE = 150.0
STATES = ("failed", "running", "stopped", "waiting", "outdated", "not run", "done")
"""A cell is in the first of these that one of its jobs is in. `waiting` is what the run that is under way will come to,
`outdated` what is finished and would be made anew, since settings, code or inputs have changed."""

UNWRITABLE = re.compile("cannot write here|PermissionError|Read-only file system")
"""What the workflow, or Snakemake, says where only reading is possible."""

LOG = re.compile(r"^    log: (.+?)(?: \(.*\))?$", re.MULTILINE)
"""The log of a job in Snakemake's list of jobs to be run."""

TRACEBACK = "Traceback (most recent call last):"
LONGEST_LINE = 100
LOG_END = 20_000
"""Bytes of a log that are read."""


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which experiment, where it runs, and the workflow that runs it."""
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument(
        "--snakefile",
        type=path,
        default=experiment.CHECKOUT / "workflow/Snakefile",
        help="the workflow; by default that of the clone",
    )
    arguments.add_argument("snakemake", nargs="*", help="other arguments of Snakemake, after --")


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    files, snakefile = [name.resolve() for name in args.configfile], args.snakefile.resolve()
    jobs = Plan(config.load(experiment.merged_in(args))).jobs
    open_jobs = pending(snakefile, [f"--configfile={name}" for name in files] + args.snakemake)
    if open_jobs is None:
        print("note: Snakemake cannot be asked here; what exists counts as done", file=sys.stderr)
        open_jobs = {job.log for job in jobs if not made(job)}
    with suppress(AttributeError):  # a stream that is no terminal's
        sys.stdout.reconfigure(errors="replace")
    print(tabulate(table(jobs, open_jobs, under_way(), time.time()), headers="keys", tablefmt="pipe"))


def pending(snakefile: Path, arguments: list[str]) -> set[str] | None:
    """The logs of all jobs that Snakemake would run; None where it cannot be asked."""
    if not snakefile.is_file() or find_spec("snakemake") is None:
        return None
    call = [sys.executable, "-m", "snakemake", "-n", f"--snakefile={snakefile}", *arguments, "--", "all"]
    done = subprocess.run(call, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        return set(LOG.findall(done.stdout))
    said = f"{done.stdout}\n{done.stderr}".strip()
    if UNWRITABLE.search(said):
        return None
    _, marker, reason = said.partition(config.UNUSABLE)
    raise SeqmatchError(f"{marker}{reason}" if marker else f"snakemake -n failed: {said}")


def under_way() -> set[str] | None:
    """The files that the run under way was started for; None where nothing runs."""
    names = set()
    for lock in Path(".snakemake/locks").glob("*.output.lock"):
        with suppress(FileNotFoundError):  # it has ended by now
            names |= set(lock.read_text("utf-8", "replace").splitlines())
    return names or None


def made(job: Job) -> bool:
    return all(Path(name).exists() for name in job.outputs)


def state(job: Job, pending: Collection[str], under_way: Collection[str] | None, now: float) -> tuple[str, str]:
    """One of `STATES`, and the last line of the log of a job that has begun and is not done."""
    if job.log not in pending:
        return "done", ""
    not_begun = "waiting" if under_way and job.outputs[0] in under_way else "outdated" if made(job) else "not run"
    lines, age = log_end(Path(job.log), now)
    last = lines[-1] if lines else ""
    if age is None or last == DONE:
        return not_begun, ""
    if last.startswith("error:") or (TRACEBACK in lines and last != "KeyboardInterrupt"):
        return "failed", last
    if under_way and age < SECONDS_ALIVE and TRACEBACK not in lines and not last.startswith("ended by"):
        return "running", last
    return (not_begun, "") if made(job) else ("stopped", last)


def log_end(log: Path, now: float) -> tuple[list[str], float | None]:
    """The last lines of a log, and the seconds since the last of them; None if there is no log to read."""
    try:
        with log.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - LOG_END))
            return file.read().decode("utf-8", errors="replace").splitlines(), now - status.st_mtime
    except OSError:  # there is none, or it is another user's
        return [], None


def table(
    jobs: Iterable[Job], pending: Collection[str], under_way: Collection[str] | None, now: float
) -> list[dict[str, str]]:
    """One row for each thing that cells share, then one per cell and seed, in the order of the configuration, then one
    for all tables and figures."""
    rows: dict[tuple[int, str], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: job.rule != "evaluate"):  # every cell has these jobs, in order
        rows.setdefault(row_of(job), []).append(job)
    by_group = sorted(rows.items(), key=lambda item: item[0][0])
    return [row(title, members, pending, under_way, now) for (_, title), members in by_group]


def row_of(job: Job) -> tuple[int, str]:
    """Which of the three groups of rows, and which row."""
    of = job.wildcards
    if not RULES[job.rule].trains and job.rule not in ("fetch_data", "prepare_dataset"):
        return 2, "tables and figures"
    if "method" in of:
        return 1, f"{of['dataset']} ipc {of['ipc']} {of['method']} seed {of['seed']}"
    return 0, " ".join([job.rule, *(str(value) for name, value in of.items() if name != "shard")])


def row(title, members, pending, under_way, now) -> dict[str, str]:
    states = [state(job, pending, under_way, now) for job in members]
    worst = min((name for name, _ in states), key=STATES.index)
    lines = [f"{job.rule}: {line}" for job, (name, line) in zip(members, states, strict=True) if name == worst and line]
    return {
        "what": title,
        "state": worst,
        "jobs done": f"{sum(name == 'done' for name, _ in states)}/{len(members)}",
        "accuracy": accuracies(job for job in members if job.log not in pending),
        "last line": shorten(lines[0], LONGEST_LINE, placeholder=" …") if lines else "",
    }


def accuracies(done: Iterable[Job]) -> str:
    """Mean accuracy in percent of each evaluation, by architecture; of the main selection's snapshot.

    A table that is gone, or damaged, is for its reader to tell of; networks that all failed have no mean.
    """
    found = []
    for job in done:
        with suppress(SeqmatchError, OSError):
            if job.rule == "evaluate":
                rows = load_table(Path(job.outputs[0]), Accuracy)
                mean = rows.loc[rows["selection"] == rows["selection"].iloc[0], "accuracy"].mean()
                found.append(f"{job.wildcards['architecture']} {'failed' if mean != mean else f'{mean:.1f}'}")
    return ", ".join(found)
