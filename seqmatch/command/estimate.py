"""Print what an experiment will cost before it runs: jobs, operations, hours and disk, rule by rule.

Hours are operations over a rate; the default was measured on two CPU cores in wide networks, narrow ones are slower.
Ends with status 1 if the disk is too small.
"""

import argparse
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from seqmatch import config
from seqmatch.command import experiment
from seqmatch.command.arguments import rate
from seqmatch.errors import SeqmatchError
from seqmatch.planning.costs import Scale, nothing
from seqmatch.planning.jobs import RULES, Plan
from seqmatch.planning.sizes import size_of

MEASURED = 0.3
"""TFLOP/s of two cores of an AMD EPYC with AVX-512 in a ConvNet of width 128 (docs/performance.md)."""

SECONDS_PER_HOUR = 3600


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which experiment, and how fast the machine is."""
    experiment.add_argument(arguments)
    experiment.add_directory(arguments)
    arguments.add_argument(
        "--tflops", type=rate, default=MEASURED, help="rate of your machine in TFLOP/s (default %(default)s)"
    )


def main(args: argparse.Namespace) -> None:
    """Print the table; refuse a disk that is too small."""
    asked = config.load(experiment.merged_in(args))
    for name in dict.fromkeys(run.dataset for run in asked.runs.values()):
        dataset = asked.config.datasets[name]
        if size_of(dataset).train == 0:
            missing = f"datasets.{name}.path = {dataset.path}: no images can be read there, so none are counted"
            print(f"warning: {missing}; its jobs will cost more", file=sys.stderr)
    table = costs_table(asked)
    by_rule = table.groupby(["dataset", "rule"], sort=False).agg({"job": "size", "operations": "sum", "disk": "sum"})
    by_rule.columns = ["jobs", "operations", "disk"]
    total = by_rule.sum()
    by_rule.loc[("all", "together"), :] = total
    shown = pd.DataFrame(
        {
            "jobs": by_rule["jobs"].astype(int),
            "PFLOP": by_rule["operations"] / 1e15,
            "hours": by_rule["operations"] / (args.tflops * 1e12) / SECONDS_PER_HOUR,
            "disk, GB": by_rule["disk"] / 1e9,
        }
    )
    print(shown.reset_index().map(readable).to_markdown(index=False, disable_numparse=True))
    print(f"Hours of one machine at {args.tflops:g} TFLOP/s", end="")
    print(", measured on two CPU cores; --tflops takes your machine's rate" if args.tflops == MEASURED else "", end="")
    print("; without the three to five seconds that each job takes to start.")
    free = shutil.disk_usage(".").free
    if total["disk"] > free:
        needed = f"{total['disk'] / 1e9:.1f} GB will be written"
        raise SeqmatchError(f"{needed}, but only {free / 1e9:.1f} GB are free in {Path.cwd()}")


def costs_table(asked: config.Experiment) -> pd.DataFrame:
    """One row per job that costs anything: data set, rule, operations, and bytes that stay on the disk."""
    from seqmatch import networks  # torch, which `--help` does without

    scale = Scale(asked, networks.count_operations)
    rows = [
        {"dataset": job.wildcards["dataset"], "rule": job.rule, "job": job.log}
        | asdict(RULES[job.rule].cost(scale, job.wildcards))
        for job in Plan(asked).jobs
        if RULES[job.rule].cost is not nothing
    ]
    datasets = {run.dataset: index for index, run in enumerate(reversed(asked.runs.values()))}
    return pd.DataFrame(sorted(rows, key=lambda row: -datasets[row["dataset"]]))


def readable(value: object) -> object:
    """A number to four digits, without an exponent."""
    if not isinstance(value, float):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{float(f'{value:.3g}'):.6f}".rstrip("0").rstrip(".")
