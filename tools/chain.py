"""What distilled sets took: all jobs of a run, and the longest chain of those that wait for each other.

The second is the time that enough machines need, `rounds` for example one for each subset. Reads the benchmark files of
finished jobs (of one that was interrupted they hold the last attempt), and what each file was made from, which stands
in it. Time is that of the processors where it is known, less what it takes a job to start. Data and experts, which runs
share, are left out, and so is evaluation.
"""

import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from measured import seconds
from shared import command

from seqmatch import config
from seqmatch.command import experiment
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_header
from seqmatch.planning.costs import START_SECONDS
from seqmatch.planning.jobs import Plan
from seqmatch.report.tables.accuracy import RUN


def main(args):
    runs = chains(Plan(config.load(experiment.merged_in(args))), args.start)
    print(compared(runs, args.baseline).to_markdown(index=False, floatfmt=".2f"))


def chains(plan, start=START_SECONDS):
    """One row per run and seed whose subsets are all there: `jobs`, seconds of `all` of them and of their `chain`."""
    made = {output: job for job in plan.jobs for output in job.outputs}
    own = {}
    for job in plan.by_rule["select_snapshot"]:
        own.setdefault(tuple(job.wildcards[name] for name in [*RUN, "seed"]), []).append(job)

    def took(name):
        return seconds(Path(made[name].benchmark), start)

    @cache
    def inputs(name):
        """The jobs of a run's folder whose files this job read."""
        read = load_header(Path(name))["inputs"]
        jobs = {made[file].outputs[0]: made[file] for file in read if file in made}
        return [job for job in jobs.values() if "method" in job.wildcards]

    @cache
    def chain(name):
        """Seconds until a job's files are there, if every job begins once its inputs are."""
        before = (chain(job.outputs[0]) for job in inputs(name))
        return took(name) + max(before, default=0.0)

    @cache
    def behind(name):
        """A job's name, and those of all that it waits for."""
        return {name}.union(*(behind(job.outputs[0]) for job in inputs(name)))

    rows = []
    for run, jobs in own.items():
        if all(Path(job.outputs[0]).exists() for job in jobs):
            names = set().union(*(behind(job.outputs[0]) for job in jobs))
            longest = max(chain(job.outputs[0]) for job in jobs)
            rows.append((*run, len(names), sum(map(took, names)), longest))
    if not rows:
        raise SeqmatchError(f"{Path.cwd()}/results: no run of this experiment is distilled; run it first")
    return pd.DataFrame(rows, columns=[*RUN, "seed", "jobs", "all", "chain"])


def compared(runs, baseline=None):
    """One row per run: medians over seeds; with a method to compare with, of its cells and in shares of its time."""
    if baseline is not None:
        theirs = runs[runs["method"] == baseline].drop(columns=["method", "jobs"])
        if theirs.empty:
            names = ", ".join(dict.fromkeys(runs["method"]))
            raise SeqmatchError(f"--baseline {baseline}: no run of it is distilled; those that are: {names}")
        both = runs.merge(theirs, on=["dataset", "ipc", "seed"], suffixes=("", "_theirs"))
        runs = both.assign(**{name: both[name] / both[f"{name}_theirs"] for name in ("all", "chain")})
    by_run = runs.groupby(RUN, sort=False)
    columns = {
        "seeds": ("seed", "size"),
        "jobs": ("jobs", "max"),
        "all": ("all", "median"),
        "chain": ("chain", "median"),
    }
    return by_run.agg(**columns, **{"chain from": ("chain", "min"), "to": ("chain", "max")}).reset_index()


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument(
        "--start",
        type=command.seconds,
        default=START_SECONDS,
        help="seconds that a job takes to start, of which it is freed (default %(default)g)",
    )
    arguments.add_argument("--baseline", type=command.name, help="show shares of this method's time in the same cell")
    command.run(main, arguments)
