"""The report's first pages: what was run, on what, for how long, and what came out; and the resolved configuration.

Times and memory are those of the jobs' last runs, as Snakemake measured them.
"""

import os
import platform
import re
import subprocess
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from shutil import which

import yaml
from shared import command, table_formats

from seqmatch import config
from seqmatch.files.kinds import ComparisonRow, MethodRow, Resources
from seqmatch.files.store import load_table, load_table_header, load_tables, save_text
from seqmatch.report import html
from seqmatch.report.published import beside_methods, read_published
from seqmatch.report.tables.accuracy import read_accuracies
from seqmatch.report.tables.comparison import comparison_sheets
from seqmatch.report.tables.methods import methods_sheets
from seqmatch.report.tables.settings import settings_sheets, settings_table

ACCURACY = "Test accuracy in percent, mean ± standard deviation over networks"


def main(args):
    experiment = config.load(args.configuration)
    published = read_published(args.published)
    tables = [load_table(path, MethodRow) for path in args.tables]
    beside = [beside_methods(table, published, args.published_data, args.published_architectures) for table in tables]
    accuracies = [methods_sheets(*pair, ACCURACY)[0] for pair in zip(tables, beside, strict=True)]
    compared = [comparison_sheets(load_table(path, ComparisonRow))[0] for path in args.comparison]
    times = times_table(load_tables(args.resources, Resources))
    parts = [
        *(html.section(sheet.title, html.sheet(sheet)) for sheet in (*accuracies, *compared)),
        html.section("What was run", html.listing(described_experiment(experiment))),
        html.section("With what", html.listing(machine(args.accuracies))),
        html.section("How long it took", html.paragraph(total(times)), html.table(times)),
    ]
    save_text(args.overview, html.page("Dataset distillation: what was run, and what came out", parts))
    save_text(args.configuration_page, html.page("Configuration", configured(experiment)))


def configured(experiment):
    """The configuration as it was set, and what follows from it."""
    configuration, runs = experiment.config, experiment.runs
    elsewhere = {"device", "compile", "kept_memory", "data", "matching", "evaluation", "cells"}
    defined = configuration.model_dump(mode="json", exclude=elsewhere)
    stages = settings_sheets(settings_table(runs.values()))[0]
    return [
        html.paragraph("Device, compiler, memory and the places of files, which change no result, are left out."),
        html.section("As it was set", html.literal(as_yaml(configuration.model_dump(mode="json", exclude_unset=True)))),
        html.section("With every default: what is defined", html.literal(as_yaml(defined))),
        html.section("With every default: the stages of each method (Table 4)", html.sheet(stages)),
    ]


def as_yaml(settings):
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def described_experiment(experiment):
    """What the configuration asked for, in words."""
    configuration, runs = experiment.config, experiment.runs
    cells = groupby(runs.values(), key=lambda run: f"{run.dataset} ipc {run.ipc}")
    return {
        "data sets": ", ".join(
            f"{name} (source: {configuration.datasets[name].source}, {configuration.datasets[name].normalization})"
            for name in dict.fromkeys(run.dataset for run in runs.values())
        ),
        **{cell: ", ".join(described(run) for run in members) for cell, members in cells},
        "distillation seeds": ", ".join(map(str, configuration.seeds)),
        "settings": "Table 4 has every stage's, the page Configuration all of them",
    }


def described(run):
    subsets = f", K = {run.subsets}" if run.subsets > 1 else ""
    return f"{run.method} ({run.architecture}{subsets}, {run.evaluation.networks} networks per seed)"


def machine(accuracies):
    """Device and versions that the accuracies name; the processor is this page's."""
    read_accuracies(accuracies)  # so that their headers are those of whole tables
    headers = [load_table_header(path) for path in accuracies]
    versions = {
        name: distinct(header["versions"].get(name, "unknown") for header in headers) for name in headers[0]["versions"]
    }
    return {
        "networks trained on": distinct(header["device"] for header in headers),
        "this page made on": f"{processor()}, {os.cpu_count()} cores, {platform.platform(terse=True)}",
        **({"GPUs there": gpus()} if which("nvidia-smi") else {}),
        "Python": platform.python_version(),
        **versions,
    }


def distinct(texts):
    return ", ".join(dict.fromkeys(texts))


def processor():
    """The processor's name, where the system tells it."""
    about = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", about.read_text("utf-8", "replace")) if about.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def gpus():
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return distinct(asked.stdout.split("\n")).strip(", ")


def times_table(resources):
    """Jobs, seconds and largest memory by rule."""
    by_rule = resources.assign(memory=resources["memory_mib"] / 1024).groupby("rule")
    times = by_rule.agg({"seconds": ["size", "sum", "max"], "memory": "max"})
    times.columns = ["jobs", "minutes in all", "longest, minutes", "largest memory, GiB"]
    times[["minutes in all", "longest, minutes"]] /= 60
    return times.sort_values("minutes in all", ascending=False).reset_index()


def total(times):
    jobs, minutes = int(times["jobs"].sum()), times["minutes in all"].sum()
    took = timedelta(seconds=round(60 * minutes))
    return f"{jobs} jobs that compute took {took} (h:mm:ss) in all, start-up included; some may have run side by side."


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--tables", type=command.path, nargs="+", required=True, help="tables that table1.py wrote")
    arguments.add_argument(
        "--comparison", type=command.path, nargs="*", default=[], help="table that comparison.py wrote"
    )
    arguments.add_argument(
        "--accuracies", type=command.path, nargs="+", required=True, help="tables that evaluate.py wrote"
    )
    arguments.add_argument(
        "--resources", type=command.path, nargs="+", required=True, help="tables of measure_resources.py"
    )
    command.add_configuration(arguments)
    table_formats.add_published(arguments)
    table_formats.add_published_architectures(arguments)
    arguments.add_argument("--out", dest="overview", type=command.file, required=True, help="page to write")
    arguments.add_argument(
        "--configuration-page", type=command.file, required=True, help="page of the configuration to write"
    )
    command.run(main, arguments)
