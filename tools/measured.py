"""Compare what each method was estimated to cost with what its jobs took, where an experiment has run.

Reads the benchmark files of the jobs that are finished. Time is that of the processors where it is known, less what
distillation jobs took that move no image (loading the program and the data), where there are any. `rate` is estimated
operations per second of it, and `ratio` how it compares with the median of the data set's methods: 2 means that a
method took half of what the others suggest, 0.5 that it took twice as much. Jobs of less than five seconds say nothing,
and are left out.
"""

import sys
from math import isnan
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from measure_resources import measured
from shared import command

from seqmatch import config, networks
from seqmatch.command import experiment
from seqmatch.command.estimate import readable
from seqmatch.errors import SeqmatchError
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import RULES, Plan

SHORTEST = 5.0
"""Seconds of a job that says something."""


def main(args):
    table = compared(Plan(config.load(experiment.merged(args.configfile))), args.folder)
    print(table.map(readable).to_markdown(index=False, disable_numparse=True))


def compared(plan, folder):
    """One row per data set, rule and method whose jobs compute something."""
    jobs = pd.DataFrame(finished(plan, folder))
    if jobs.empty:
        raise SeqmatchError(f"{folder}/results/benchmarks: no job of this experiment is finished; run it first")
    idle = jobs[(jobs["rule"] == "distill_subset") & (jobs["PFLOP"] == 0)].groupby("dataset")["seconds"].median()
    jobs["seconds"] -= jobs["dataset"].map(idle).fillna(0)
    long = jobs[(jobs["PFLOP"] > 0) & (jobs["seconds"] > SHORTEST)]
    by_method = long.groupby(["dataset", "rule", "method"], sort=False)
    table = by_method.agg(jobs=("PFLOP", "size"), PFLOP=("PFLOP", "sum"), seconds=("seconds", "sum")).reset_index()
    table["rate, GFLOP/s"] = table["PFLOP"] * 1e6 / table["seconds"]
    medians = table.groupby(["dataset", "rule"])["rate, GFLOP/s"].transform("median")
    return table.assign(ratio=table["rate, GFLOP/s"] / medians)


def finished(plan, folder):
    """What each finished job that trains networks was estimated to cost, and what it took."""
    scale = Scale(plan.experiment, networks.count_operations)
    for job in plan.jobs:
        rule, of, benchmark = RULES[job.rule], job.wildcards, folder / job.benchmark
        if rule.trains and benchmark.exists():
            took = measured(benchmark)
            yield {
                "dataset": of["dataset"],
                "rule": job.rule,
                "method": of.get("method", of.get("recipe")),
                "PFLOP": rule.cost(scale, of).operations / 1e15,
                "seconds": took["seconds"] if isnan(took["cpu_seconds"]) else took["cpu_seconds"],
            }


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    experiment.add_argument(arguments)
    arguments.add_argument(
        "--folder", type=command.path, default=Path(), help="in which the experiment ran, with its results/"
    )
    command.run(main, arguments)
