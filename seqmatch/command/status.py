"""Print how far a run is, cell by cell: what is done, running, stopped, failed and waiting, how fast, and for how long.

Counts what the last run in this folder was asked for; where there was none, or of another experiment, all of the
experiment. Only reads, and asks neither Snakemake nor PyTorch: a run holds its record, and a job its log, as long as it
lives, and a job writes at least one line per minute.
"""

import argparse
import csv
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from tabulate import tabulate

from seqmatch import config
from seqmatch.command import experiment
from seqmatch.command.frame import DONE
from seqmatch.planning import asked, memory
from seqmatch.planning.asked import Asked
from seqmatch.planning.costs import START_SECONDS, Scale
from seqmatch.planning.jobs import COMPUTING_RULES, RULES, Job, Plan
from seqmatch.runtime.held import is_held

SECONDS_ALIVE = 150.0
"""A log that has not grown for so long is silent."""

STATES = ("failed", "running", "stopped", "waiting", "outdated", "not run", "done")
"""A cell is in the first of these that one of its jobs is in. `waiting` is what the run that is under way will come to,
`outdated` what was finished when the last run began, and was to be made anew."""

PROGRESS = re.compile(
    r"(?P<what>.*?):? *\d+%\|.*\| (?P<count>\S+) "
    r"\[(?P<spent>[\d:]+)<(?P<left>[\d:?]+), +(?P<rate>\S+?)(?:, (?P<more>.*))?\]"
)
"""A line of `runtime.progress`."""

ALL = "all"
"""Rules."""

TRACEBACK = "Traceback (most recent call last):"
LONGEST_LINE = 80
LOG_END = 20_000
"""Bytes of a log that are read."""


@dataclass(frozen=True)
class Seen:
    """How far a job is."""

    job: Job
    state: str
    line: str = ""
    """The last one of its log, if it has begun and is not done."""
    silent: float = 0.0
    """Seconds since that line."""


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which experiment, and where it runs."""
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)


def main(args: argparse.Namespace) -> None:
    """Print the table, and a line for all of it."""
    files = [name.resolve() for name in args.configfile]
    os.chdir(args.directory)
    run = asked.read()
    files = files or [*(run.configfiles if run else ())] or [config.default_file(experiment.CHECKOUT).resolve()]
    if run and run.configfiles != tuple(files):
        run = None
    plan = Plan(config.load(experiment.merged(files)))
    found = see(plan, run)
    print(tabulate(table(found), headers="keys", tablefmt="pipe", disable_numparse=True))
    left = time_left(plan, found) if run and run.alive else ""
    print(f"\n{summary(found, run, files)}{left}{', at the pace so far' if left else ''}.")


def see(plan: Plan, run: Asked | None) -> list[Seen]:
    """How far each job is that was asked for, in the order of the work; all of the plan where nothing was."""
    wanted = {job.log: job for job in (run.jobs if run else plan.jobs)}
    planned = [job for job in plan.jobs if wanted.pop(job.log, None)]
    now = time.time()
    return [look(job, run, now) for job in [*planned, *wanted.values()]]


def look(job: Job, run: Asked | None, now: float) -> Seen:
    """How far a job is, by its files and its log."""
    times = [_time(Path(name)) for name in job.outputs]
    made, anew = None not in times, run is not None and job.log in run.anew
    if made and (not anew or min(times) >= run.begun):
        return Seen(job, "done")
    alive = run.alive if run else False
    not_begun = "waiting" if anew and alive else "outdated" if made else "not run"
    log = Path(job.log)
    lines, written = log_end(log), _time(log)
    last = lines[-1] if lines else ""
    if written is None or last == DONE or (alive and anew and written < run.begun):
        return Seen(job, not_begun)
    held, silent, raised = is_held(log), now - written, TRACEBACK in lines
    if last.startswith("error:") or (raised and last != "KeyboardInterrupt" and not held):
        return Seen(job, "failed", last)
    if held or (alive is not False and silent < SECONDS_ALIVE and not raised and not last.startswith("ended by")):
        return Seen(job, "running", last, silent)
    return Seen(job, not_begun) if made else Seen(job, "stopped", last)


def log_end(log: Path) -> list[str]:
    """The last lines of a log, if there is one that may be read."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_END))
        return file.read().decode("utf-8", errors="replace").splitlines()
    return []


def table(found: Iterable[Seen]) -> list[dict[str, str]]:
    """One row for each thing that cells share, then one per cell and seed, in the order of the configuration, then one
    for all tables and figures."""
    rows: dict[tuple[int, str], list[Seen]] = {}
    for seen in sorted(found, key=lambda seen: seen.job.rule != "evaluate"):  # every cell has these jobs, in order
        rows.setdefault(row_of(seen.job), []).append(seen)
    by_group = sorted(rows.items(), key=lambda item: item[0][0])
    return [row(title, members) for (_, title), members in by_group]


def row_of(job: Job) -> tuple[int, str]:
    """Which of the three groups of rows, and which row."""
    of = job.wildcards
    if job.rule not in ("fetch_data", *COMPUTING_RULES):
        return 2, "tables and figures"
    if "method" in of:
        return 1, f"{of['dataset']} ipc {of['ipc']} {of['method']} seed {of['seed']}"
    return 0, " ".join([job.rule, *(str(value) for name, value in of.items() if name != "shard")])


def row(title: str, members: Sequence[Seen]) -> dict[str, str]:
    worst = min(members, key=lambda seen: (STATES.index(seen.state), not seen.line))
    shown = PROGRESS.match(worst.line)
    pace = shown.group("rate", "left") if shown and worst.state == "running" else ("", "")
    line = " ".join(filter(None, shown.group("what", "count", "more"))) if shown else worst.line
    silence = f"no line for {duration(worst.silent)}: " if worst.silent > SECONDS_ALIVE else ""
    return {
        "what": title,
        "state": worst.state,
        "jobs done": f"{sum(seen.state == 'done' for seen in members)}/{len(members)}",
        "accuracy": accuracies(seen.job for seen in members if seen.state == "done"),
        "rate": pace[0],
        "left": pace[1],
        "last line": shorten(f"{worst.job.rule}: {silence}{line}", LONGEST_LINE, placeholder=" …") if line else "",
    }


def accuracies(done: Iterable[Job]) -> str:
    """Mean accuracy in percent of each evaluation, by architecture; of the main selection's snapshot.

    A table that is gone, or damaged, is for its reader to tell of; networks that all failed have no mean.
    """
    found = []
    for job in done:
        if job.rule == "evaluate":
            with suppress(OSError, ValueError, LookupError, TypeError):
                rows = list(csv.DictReader(Path(job.outputs[0]).read_text("utf-8").splitlines()))
                main = rows[0]["selection"]
                networks = [row["accuracy"] for row in rows if row["selection"] == main]
                values = [float(accuracy) for accuracy in networks if accuracy]
                mean = f"{sum(values) / len(values):.1f}" if values else "failed"
                failed = f" ({len(networks) - len(values)} failed)" if 0 < len(values) < len(networks) else ""
                found.append(f"{job.wildcards['architecture']} {mean}{failed}")
    return ", ".join(found)


def summary(found: Sequence[Seen], run: Asked | None, files: Sequence[Path]) -> str:
    """What is counted, how much of it is done, and what may be wrong with that."""
    states = Counter(seen.state for seen in found)
    done = f"{states['done']} of {len(found)} jobs done"
    if run is None:
        return f"All of the experiment, since the last run here was of another, or there was none: {done}"
    begun = time.strftime("%d %b %H:%M", time.localtime(run.begun))
    going = {True: "is under way", False: "has ended", None: "may be under way"}[run.alive]
    changed = [name.name for name in files if (_time(name) or 0) > run.begun]
    edited = f"; {', '.join(changed)} changed since: `snakemake -n` says what would be made anew" if changed else ""
    return f"The run of {begun} {going}: {done}{edited}"


def time_left(plan: Plan, found: Sequence[Seen]) -> str:
    """How long a run will take yet, if jobs go on as those of the same rule, or all, where none of the rule has begun;
    empty as long as none that trains has. As many jobs as run now go on side by side."""
    scale = Scale(plan.experiment, memory.approximate)
    planned = {job.log for job in plan.jobs}  # what is edited meanwhile may have other jobs
    seconds, done, left = Counter(), Counter(), Counter()
    for seen in found:
        rule = seen.job.rule
        work = RULES[rule].cost(scale, seen.job.wildcards).seconds() if seen.job.log in planned else 0.0
        whole, share = _seconds(seen)
        left[rule] += work * share
        if work and whole is not None:
            for name in (rule, ALL):
                seconds[name] += whole
                done[name] += work
    if not done[ALL]:
        return ""
    names = {rule: rule if done[rule] else ALL for rule in left}
    total = sum(work * seconds[names[rule]] / done[names[rule]] for rule, work in left.items())
    total += START_SECONDS * sum(seen.state != "done" for seen in found)
    beside = max(1, sum(seen.state == "running" for seen in found))
    return f"; about {duration(total / beside)} left" if total else ""


def duration(seconds: float) -> str:
    """To one or two digits, in words."""
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def _seconds(seen: Seen) -> tuple[float | None, float]:
    """What a job takes once it has started, by its benchmark file or its progress, and the share of it that is left."""
    with suppress(OSError, ValueError, IndexError):
        if seen.state == "done":
            measured = float(Path(seen.job.benchmark).read_text("utf-8").splitlines()[1].split("\t")[0])
            return max(0.0, measured - START_SECONDS), 0.0
        if seen.state == "running" and (bar := PROGRESS.match(seen.line)) and "?" not in bar["left"]:
            spent, left = map(_clock, bar.group("spent", "left"))
            return spent + left, left / max(1, spent + left)
    return None, float(seen.state != "done")


def _clock(text: str) -> int:
    """Seconds of "1:02:03"."""
    return sum(int(part) * 60**place for place, part in enumerate(reversed(text.split(":"))))


def _time(path: Path) -> float | None:
    """When a file was written last; None where there is none that can be seen."""
    with suppress(OSError):
        return path.stat().st_mtime
    return None
