"""Print what is done, running, stopped, failed and waiting, cell by cell, with the accuracies so far.

Asks Snakemake which jobs are to be run, and reads the logs of these: a job writes at least one line per minute, and one
when it is done, so a log that has grown lately and does not end so is that of a running job.
"""

import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from textwrap import shorten

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from shared import command
from shared.experiment import merged

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table
from seqmatch.planning.jobs import Job, Plan

SECONDS_ALIVE = 150.0
STATES = ("failed", "running", "stopped", "waiting", "done")
"""A cell is in the first of these that one of its jobs is in."""

UNUSABLE = "the configuration cannot be used:"
"""How the workflow begins what it says of a faulty configuration."""

LOG = re.compile(r"^    log: (.+?)(?: \(.*\))?$", re.MULTILINE)
"""The log of a job in Snakemake's list of jobs to be run."""

LONGEST_LINE = 100


def main(args):
    plan = Plan(config.load(merged(args.configfile)))
    given = [f"--configfile={path}" for path in args.configfile] + args.snakemake
    print(table(plan.jobs, pending(given), time.time()).to_markdown(index=False))


def pending(arguments: list[str]) -> set[str]:
    """The logs of all jobs that Snakemake would run."""
    call = [sys.executable, "-m", "snakemake", "-n", *arguments, "--", "all"]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        _, marker, reason = said.partition(UNUSABLE)
        raise SeqmatchError(f"{marker}{reason}" if marker else f"snakemake -n failed: {said}")
    return set(LOG.findall(done.stdout))


def state(job: Job, pending: Collection[str], now: float) -> tuple[str, str]:
    """One of `STATES`, and the last line of the log of a job that has begun and is not done."""
    log = Path(job.log)
    if job.log not in pending:
        return "done", ""
    if not log.is_file():
        return "waiting", ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = lines[-1] if lines else ""
    if last.startswith("error:"):
        return "failed", last
    if last == command.DONE:
        return "waiting", ""
    if now - log.stat().st_mtime < SECONDS_ALIVE and not last.startswith("ended by"):
        return "running", last
    made = all(Path(name).exists() for name in job.outputs)
    return ("waiting", "") if made else ("stopped", last)


def table(jobs: Iterable[Job], pending: Collection[str], now: float) -> pd.DataFrame:
    """One row per cell; files that cells share, and tables and figures, have a row each."""
    cells: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        about = [str(job.wildcards.get(name, "")) for name in ("dataset", "method", "ipc", "seed")]
        figure = job.rule.startswith("figure_")
        cells.setdefault((job.rule, "", "", "") if figure or "" in about else tuple(about), []).append(job)
    rows = []
    for (dataset, method, ipc, seed), members in cells.items():
        states = [state(job, pending, now) for job in members]
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
                "accuracy": accuracies(job for job in members if job.log not in pending),
                "last line": shorten(lines[0], LONGEST_LINE, placeholder=" …") if lines else "",
            }
        )
    return pd.DataFrame(rows)


def accuracies(done: Iterable[Job]) -> str:
    """Mean accuracy in percent of each evaluation, by architecture; of the main selection's snapshot."""
    found = []
    for job in done:
        if job.rule == "evaluate":
            rows = load_table(Path(job.outputs[0]))
            main_selection = rows[rows["selection"] == rows["selection"].iloc[0]]
            found.append(f"{job.wildcards['architecture']} {main_selection['accuracy'].mean():.1f}")
    return ", ".join(found)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "--configfile", type=command.path, nargs="*", default=[], help="instead of config.yaml, in turn"
    )
    arguments.add_argument("snakemake", nargs="*", help="other arguments of Snakemake, after --")
    command.run(main, arguments)
