"""Print what is done, running, stopped, failed and waiting, cell by cell, with the accuracies so far.

Asks Snakemake for its jobs (arguments such as --configfile my.yaml are handed to it), and reads their logs: a job
writes a line a minute at least, so a log that has grown lately is that of a running job.
"""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import command
import pandas as pd

from seqmatch.errors import SeqmatchError
from seqmatch.store import load_table

SECONDS_ALIVE = 150.0
STATES = ("failed", "running", "stopped", "waiting", "done")
"""A cell is in the first of these that one of its jobs is in."""

RUN = re.compile(r"results/(?P<dataset>[^/]+)/(?P<method>[^/]+)/ipc(?P<ipc>[^/]+)/seed(?P<seed>[^/]+)/")


@dataclass(frozen=True)
class Job:
    """What Snakemake's summary says of one job."""

    rule: str
    log: Path
    outputs: tuple[Path, ...]
    pending: bool


def main(args):
    jobs = parse(summary(args.snakemake))
    if not jobs:
        raise SeqmatchError("the configuration has no jobs")
    print(table(jobs, time.time()).to_markdown(index=False))


def summary(arguments: list[str]) -> str:
    """Snakemake's tab-separated summary of every file of the experiment."""
    call = [sys.executable, "-m", "snakemake", "--summary", "all", *arguments]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SeqmatchError(f"snakemake --summary failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def parse(text: str) -> list[Job]:
    """The jobs of a summary, in its order."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        found.setdefault(row["log-file(s)"], []).append(row)
    return [
        Job(
            rows[0]["rule"],
            Path(log),
            tuple(Path(row["output_file"]) for row in rows),
            any(row["plan"] != "no update" for row in rows),
        )
        for log, rows in found.items()
    ]


def state(job: Job, now: float) -> tuple[str, str]:
    """One of `STATES`, and the last line of the log of a job that has begun and is not done."""
    if not job.pending:
        return "done", ""
    if not job.log.is_file():
        return "waiting", ""
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = lines[-1] if lines else ""
    if last.startswith("error:"):
        return "failed", last
    if now - job.log.stat().st_mtime < SECONDS_ALIVE and not last.startswith("ended by"):
        return "running", last
    made = all(path.exists() for path in job.outputs)
    return ("waiting", "") if made else ("stopped", last)


def table(jobs: Iterable[Job], now: float) -> pd.DataFrame:
    """One row a cell; files that cells share, and tables and figures, are a row of their own each."""
    cells: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        run = RUN.match(job.outputs[0].as_posix())
        cells.setdefault(run.groups() if run else (job.rule, "", "", ""), []).append(job)
    rows = []
    for (dataset, method, ipc, seed), members in cells.items():
        states = [state(job, now) for job in members]
        worst = min((name for name, _ in states), key=STATES.index)
        lines = [
            f"{job.rule}: {line}" for job, (name, line) in zip(members, states, strict=True) if name == worst and line
        ]
        rows.append(
            {
                "data set": dataset,
                "ipc": ipc,
                "method": method,
                "seed": seed,
                "state": worst,
                "jobs": f"{sum(name == 'done' for name, _ in states)}/{len(members)}",
                "accuracy": accuracies(members),
                "last line": lines[0] if lines else "",
            }
        )
    return pd.DataFrame(rows)


def accuracies(jobs: Iterable[Job]) -> str:
    """Mean accuracy in percent of each evaluation that is done, by architecture; of the headline's snapshot."""
    found = []
    for job in jobs:
        if job.rule == "evaluate" and not job.pending:
            (path,) = (path for path in job.outputs if path.suffix == ".csv")
            rows = load_table(path)
            headline = rows[rows["selection"] == rows["selection"].iloc[0]]
            found.append(f"{path.stem} {headline['accuracy'].mean():.1f}")
    return ", ".join(found)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("snakemake", nargs="*", help="arguments for Snakemake; after -- if they begin with a dash")
    command.run(main, arguments)
