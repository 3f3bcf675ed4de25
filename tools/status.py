"""Print what is done, running, stopped, failed and waiting, cell by cell, with the accuracies so far.

Asks Snakemake for its jobs, and reads their logs: a job writes a line a minute at least, and one when it is done, so a
log that has grown lately and does not end so is that of a running job.
"""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table

SECONDS_ALIVE = 150.0
STATES = ("failed", "running", "stopped", "waiting", "done")
"""A cell is in the first of these that one of its jobs is in."""

UNUSABLE = "the configuration cannot be used:"
"""How the workflow begins what it says of a faulty configuration."""

JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: +.*\n)+)", re.MULTILINE)
"""A job in Snakemake's plan: its rule, and the lines about it."""

LONGEST_LINE = 100

RUN = re.compile(r"results/(?P<dataset>[^/]+)/(?P<method>[^/]+)/ipc(?P<ipc>[^/]+)/seed(?P<seed>[^/]+)/")


@dataclass(frozen=True)
class Job:
    """What Snakemake's summary says of one job."""

    rule: str
    log: Path
    outputs: tuple[Path, ...]
    pending: bool


def main(args):
    given = [f"--configfile={path}" for path in args.configfile] + args.snakemake
    jobs = parse(snakemake("-n", "--forceall", *given), snakemake("--summary", *given))
    if not jobs:
        raise SeqmatchError("the configuration has no jobs")
    print(table(jobs, time.time()).to_markdown(index=False))


def snakemake(what: str, *arguments: str) -> str:
    """What Snakemake says of the whole experiment."""
    call = [sys.executable, "-m", "snakemake", what, *arguments, "--", "all"]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        _, marker, reason = said.partition(UNUSABLE)
        raise SeqmatchError(f"{marker}{reason}" if marker else f"snakemake {what} failed: {said}")
    return done.stdout


def parse(plan: str, summary: str) -> list[Job]:
    """The jobs of an experiment, in the order of the work.

    Args:
        plan: Snakemake's listing of every job (Snakemake's summary knows no logs of jobs that never ended).
        summary: its tab-separated summary of every file.
    """
    rows = csv.DictReader(summary.splitlines(), delimiter="\t")
    pending = {row["output_file"]: row["plan"] != "no update" for row in rows}
    found = []
    for rule, body in JOB.findall(plan):
        about = dict(line.strip().split(": ", 1) for line in body.splitlines() if ": " in line)
        if "output" in about and "log" in about:
            outputs = [Path(name) for name in about["output"].split(", ")]
            found.append(
                Job(rule, Path(about["log"]), tuple(outputs), any(pending.get(str(path), True) for path in outputs))
            )
    return found


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
    if last == command.DONE:
        return "waiting", ""
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
                "last line": shorten(lines[0], LONGEST_LINE, placeholder=" …") if lines else "",
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
    arguments.add_argument("--configfile", type=Path, nargs="*", default=[], help="laid over config.yaml in turn")
    arguments.add_argument("snakemake", nargs="*", help="other arguments of Snakemake, after --")
    command.run(main, arguments)
