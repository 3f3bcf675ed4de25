"""Print what an experiment will cost before it runs: jobs, operations, hours and disk, rule by rule.

Hours are a machine's, to a factor of about two: operations at its rate, and what layers write and their calls take,
which is nearly all in narrow networks. Ends with status 1 if the disk is too small.
"""

import argparse
import shutil
import sys
from pathlib import Path

import pandas as pd

from seqmatch import config
from seqmatch.command import experiment
from seqmatch.command.arguments import count, rate
from seqmatch.errors import SeqmatchError
from seqmatch.planning.costs import CORE_RATE, START_SECONDS, Scale, nothing
from seqmatch.planning.jobs import RULES, Plan
from seqmatch.planning.sizes import size_of

CORES = 2
"""Of the machine that hours are of unless it is said."""

TYPICAL = CORES * CORE_RATE / 1e12

SECONDS_PER_HOUR = 3600


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which experiment, and how fast the machine is."""
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument(
        "--tflops", type=rate, default=TYPICAL, help="that its fastest convolutions reach (default %(default)s)"
    )
    arguments.add_argument(
        "--jobs", type=count, default=CORES, help="that run on it side by side (default %(default)s; 1 on a GPU)"
    )


def main(args: argparse.Namespace) -> None:
    """Print the table; refuse a disk that is too small."""
    asked = config.load(experiment.merged_in(args))
    for name in dict.fromkeys(run.dataset for run in asked.runs.values()):
        dataset = asked.config.datasets[name]
        if size_of(dataset).train == 0:
            missing = f"datasets.{name}.path = {dataset.path}: no images can be read there, so their number and size"
            print(f"warning: {missing} are not known; what follows of it is not right", file=sys.stderr)
    table = costs_table(asked, args.tflops * 1e12 / args.jobs)
    by_rule = table.groupby(["dataset", "rule"], sort=False).agg(
        jobs=("job", "size"), operations=("operations", "sum"), seconds=("seconds", "sum"), disk=("disk", "sum")
    )
    total = by_rule.sum()
    by_rule.loc[("all", "together"), :] = total
    shown = pd.DataFrame(
        {
            "jobs": by_rule["jobs"].astype(int),
            "PFLOP": by_rule["operations"] / 1e15,
            "hours": by_rule["seconds"] / args.jobs / SECONDS_PER_HOUR,
            "disk, GB": by_rule["disk"] / 1e9,
        }
    )
    print(shown.reset_index().map(readable).to_markdown(index=False, disable_numparse=True))
    cores = f" ({CORES} CPU cores)" if (args.tflops, args.jobs) == (TYPICAL, CORES) else ""
    side = f", {args.jobs} jobs side by side" if args.jobs > 1 else ""
    print(f"Hours of one machine at {args.tflops:g} TFLOP/s{side}{cores}, to a factor of about two.")
    free = shutil.disk_usage(".").free
    if total["disk"] > free:
        needed = f"{total['disk'] / 1e9:.1f} GB will be written"
        raise SeqmatchError(f"{needed}, but only {free / 1e9:.1f} GB are free in {Path.cwd()}")


def costs_table(asked: config.Experiment, rate: float = CORE_RATE) -> pd.DataFrame:
    """One row per job that costs anything: data set, rule, operations, seconds, and bytes that stay on the disk.

    Args:
        rate: operations per second that a job does in wide networks.
    """
    from seqmatch import networks  # torch, which `--help` does without

    scale, rows = Scale(asked, networks.count_operations), []
    for job in Plan(asked).jobs:
        if RULES[job.rule].cost is not nothing:
            cost = RULES[job.rule].cost(scale, job.wildcards)
            rows.append({
                "dataset": job.wildcards["dataset"], "rule": job.rule, "job": job.log, "operations": cost.operations,
                "seconds": START_SECONDS + cost.seconds(rate), "disk": cost.disk,
            })  # fmt: skip
    datasets = {run.dataset: index for index, run in enumerate(reversed(asked.runs.values()))}
    return pd.DataFrame(sorted(rows, key=lambda row: -datasets[row["dataset"]]))


def readable(value: object) -> object:
    """A number to four digits, without an exponent."""
    if not isinstance(value, float):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{float(f'{value:.3g}'):.6f}".rstrip("0").rstrip(".")
