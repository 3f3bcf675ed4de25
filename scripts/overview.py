"""The report's first pages: what came out, what to be careful about, all figures, what was run, on what and for how
long; and the resolved configuration. Each stands on its own: it needs no other file.

Times and memory are those of the jobs' last runs, as Snakemake measured them.
"""

import os
import platform
import subprocess
from datetime import timedelta
from itertools import groupby
from shutil import which

import pandas as pd
import yaml
from shared import command, table_formats

from seqmatch import config
from seqmatch.config.methods import display_name
from seqmatch.errors import SeqmatchError, number
from seqmatch.files.kinds import Accuracy, ComparisonRow, MethodRow, Resources
from seqmatch.files.store import load_table, load_table_header, load_tables, save_text
from seqmatch.planning.contents import CHANGES_NO_RESULT
from seqmatch.report import html
from seqmatch.report.published import beside_methods, read_published
from seqmatch.report.tables.accuracy import CELL, cell_names, method_names, notes
from seqmatch.report.tables.comparison import LEVEL, able, comparison_sheets
from seqmatch.report.tables.methods import methods_sheets
from seqmatch.report.tables.settings import settings_sheets, settings_table
from seqmatch.report.tables.text import means_stds
from seqmatch.runtime.processor import processor

TITLE = "Dataset distillation: what came out, and what was run"
ACCURACY = "Test accuracy in percent, mean ± standard deviation over networks"


def main(args):
    experiment = config.load(args.configuration)
    published = read_published(args.published)
    tables = [load_table(path, MethodRow) for path in args.tables]
    networks = args.published_architectures
    beside = [beside_methods(table, published, args.published_data, networks) for table in tables]
    accuracies = [methods_sheets(*pair, ACCURACY, networks)[0] for pair in zip(tables, beside, strict=True)]
    comparisons = [load_table(path, ComparisonRow) for path in args.comparison]
    compared = [comparison_sheets(table)[0] for table in comparisons]
    times = times_table(load_tables(args.resources, Resources))
    figures = [drawn(path) for path in args.figures]
    careful = cautions(tables, comparisons)
    parts = [
        html.paragraph(". ".join(filter(None, map(answer, tables)))),
        *([html.section("What to be careful about", html.points(careful))] if careful else []),
        *(html.section(sheet.title, html.sheet(sheet)) for sheet in (*accuracies, *compared)),
        *([html.section("Figures", *figures[:1], html.gallery(figures[1:]))] if figures else []),
        html.section("What was run", html.listing(described_experiment(experiment))),
        html.folded("With what", html.listing(machine(args.accuracies))),
        html.folded("How long it took", html.paragraph(total(times)), html.table(times)),
    ]
    save_text(args.overview, html.page(TITLE, parts))
    save_text(args.configuration_page, html.page("Configuration", configured(experiment)))


def answer(table):
    """The best of each cell, in words; as in tables no method with failed networks is."""
    sets, texts = table[able(table) & table["accuracy_mean"].notna()], []
    for _, cell in sets.groupby(CELL, sort=False):
        best = cell.loc[[cell["accuracy_mean"].idxmax()]]
        where, name, seeds = (
            cell_names(best).iloc[0],
            method_names(best).iloc[0],
            number(best["seeds"].iloc[0], "seed"),
        )
        alike = ", ".join(method_names(cell[cell["p_best"] >= LEVEL]))
        texts.append(
            f"{where}: {name} has the highest mean, {means_stds(best)[0]} % ({seeds})"
            + (f"; not told from it: {alike}" if alike else "")
        )
    return ". ".join(texts)


def cautions(tables, comparisons):
    """What the tables do not tell, or tell with doubt."""
    texts = [note for table in tables for note in notes(table)]
    for row in pd.concat(comparisons).itertuples() if comparisons else ():
        pair = f"{row.dataset} ipc {row.ipc}, {display_name(row.method)} against {display_name(row.baseline)}"
        if row.failed:
            texts.append(
                f"{pair}: networks failed in {row.failed} of {number(row.pairs + row.failed, 'pair')}, so that the "
                "difference is not tested."
            )
        elif row.unit != "seeds":
            texts.append(f"{pair}: a single seed, so that the methods are not compared, only two synthetic sets.")
        elif row.low < 0 < row.high:
            texts.append(
                f"{pair}: {number(row.seeds, 'seed')} do not tell them apart; anything from {row.low:+z.1f} to "
                f"{row.high:+z.1f} points agrees with what was measured."
            )
        elif row.q >= LEVEL:
            texts.append(
                f"{pair}: the interval, {row.low:+z.1f} to {row.high:+z.1f} points, leaves out 0, but among so many "
                f"comparisons one may by chance (q = {row.q:.2f})."
            )
    return list(dict.fromkeys(texts))


def drawn(picture):
    """A figure with the caption that lies beside it."""
    try:
        caption = picture.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return html.figure(picture.read_bytes(), caption, f"{picture.parent.name}-{picture.stem}")
    except (OSError, ValueError) as error:
        raise SeqmatchError(f"{picture}: it, or its caption ({picture.stem}.txt), cannot be read: {error}") from None


def configured(experiment):
    """The configuration as it was set, and what follows from it."""
    configuration, runs = experiment.config, experiment.runs
    elsewhere = CHANGES_NO_RESULT | {"matching", "evaluation", "cells"}
    defined = configuration.model_dump(mode="json", exclude=elsewhere)
    stages = settings_sheets(settings_table(runs.values()))[0]
    return [
        html.paragraph(
            "Left out: device, compiler, memory, places of files and look of figures, which change no result."
        ),
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
    return f"{display_name(run.method)} ({run.architecture}{subsets}, {run.evaluation.networks} networks per seed)"


def machine(accuracies):
    """Device and versions that the accuracies name; the processor is this page's."""
    load_tables(accuracies, Accuracy)  # so that their headers are those of whole tables
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
    arguments.add_argument(
        "--figures", type=command.path, nargs="*", default=[], help="figures (.png), each with its caption beside it"
    )
    command.add_configuration(arguments)
    table_formats.add_published(arguments)
    arguments.add_argument("--out", dest="overview", type=command.file, required=True, help="page to write")
    arguments.add_argument(
        "--configuration-page", type=command.file, required=True, help="page of the configuration to write"
    )
    command.run(main, arguments)
