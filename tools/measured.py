"""Compare what each method was estimated to take with what its jobs took, where an experiment has run.

Reads the benchmark files of the jobs that are finished. Time is that of the processors where it is known, less what it
takes a job to start. `ratio` is of that time to the estimated one: 2 means that a method took twice as long. Jobs
that should take less than five seconds say nothing, and are left out.
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
from seqmatch.planning.costs import START_SECONDS, Scale
from seqmatch.planning.jobs import RULES, Plan

SHORTEST = 5.0
"""Estimated seconds of a job that says something: chosen by what they took, jobs would seem slower than they are."""


def main(args):
    table = compared(Plan(config.load(experiment.merged_in(args))), args.gflops * 1e9)
    print(table.map(readable).to_markdown(index=False, disable_numparse=True))


def compared(plan, rate):
    """One row per data set, rule and method whose jobs compute something; `rate` in operations per second."""
    jobs = pd.DataFrame(finished(plan, rate))
    if jobs.empty:
        raise SeqmatchError(f"{Path.cwd()}/results/benchmarks: no job of this experiment is finished; run it first")
    long = jobs[jobs["estimate"] > SHORTEST]
    by_method = long.groupby(["dataset", "rule", "method"], sort=False)
    table = by_method.agg(
        jobs=("seconds", "size"), GFLOP=("GFLOP", "mean"), estimate=("estimate", "mean"), seconds=("seconds", "mean")
    ).reset_index()
    return table.assign(ratio=table["seconds"] / table["estimate"])


def finished(plan, rate):
    """What each finished job that trains networks was estimated to cost, and what it took."""
    scale = Scale(plan.experiment, networks.count_operations)
    for job in plan.jobs:
        rule, of, benchmark = RULES[job.rule], job.wildcards, Path(job.benchmark)
        if rule.trains and benchmark.exists():
            cost = rule.cost(scale, of)
            yield {
                "dataset": of["dataset"],
                "rule": job.rule,
                "method": of.get("method", of.get("recipe")),
                "GFLOP": cost.operations / 1e9,
                "estimate": cost.seconds(rate),
                "seconds": seconds(benchmark),
            }


def seconds(benchmark, start=START_SECONDS):
    """What a job took, by its benchmark file: of the processors where that is known, less its start."""
    took = measured(benchmark)
    own = (took["seconds"] if isnan(took["cpu_seconds"]) else took["cpu_seconds"]) - start
    return own if isnan(own) else max(own, 0.0)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument(
        "--gflops",
        type=command.rate,
        default=85.0,
        help="of a job in wide networks (default %(default)g: a core, AVX2)",
    )
    command.run(main, arguments)
