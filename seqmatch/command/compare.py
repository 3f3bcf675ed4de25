"""Compare two experiments: the settings that differ, and the accuracies of what both have.

Reads what lies in the two folders, which may still be at work, and writes nothing. Accuracies are in percent, mean ±
standard deviation over all networks of all seeds, on the architecture that was matched, as in `results/table1.csv`.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from seqmatch import config
from seqmatch.command.arguments import path
from seqmatch.config.methods import display_name
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_table_header, load_tables
from seqmatch.planning.contents import method_order
from seqmatch.planning.jobs import Plan
from seqmatch.report.tables.accuracy import CELL, cell_names
from seqmatch.report.tables.settings import STAGE, settings_table
from seqmatch.report.tables.text import markdown, means_stds, signed

RESOLVED = {"matching", "evaluation", "cells"}
"""Sections that every stage's own settings follow from, and are compared in."""

COUNTED = Path("results/operations.csv")
"""Has the configuration in its provenance, and is made for `results/table1.csv`."""


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Which two experiments."""
    arguments.add_argument("first", type=path, metavar="A", help="the folder that Snakemake ran in, with its results/")
    arguments.add_argument("second", type=path, metavar="B", help="the same of the other experiment")


def main(args: argparse.Namespace) -> None:
    """Print both tables."""
    folders = {"A": args.first, "B": args.second}
    asked = {side: experiment_in(folder) for side, folder in folders.items()}
    first, second = (accuracies_in(folder, asked[side], side) for side, folder in folders.items())
    settings = pd.DataFrame(differences(*map(settings_of, asked.values())), columns=["setting", "A", "B"])
    both = first.merge(second, on=[*CELL, "method"])
    print("\n".join(f"{side}: {folder}" for side, folder in folders.items()))
    print("\nSettings that differ, those of difficulty, coupling and fair_comparison aside\n")
    print(markdown(settings) if len(settings) else "none")
    print(f"\nAccuracies of what both have\n\n{markdown(compared(both)) if len(both) else 'none'}")


def experiment_in(folder: Path) -> config.Experiment:
    """The experiment whose tables lie in a folder.

    Raises:
        SeqmatchError: there is none, or none that this version of seqmatch can read.
    """
    try:
        header = load_table_header(folder / COUNTED)
        return config.load(header["parameters"].get("configuration"))
    except (FileNotFoundError, NotADirectoryError):
        raise SeqmatchError(
            f"{folder}: no experiment, for there is no {COUNTED.with_suffix('.json')} in it; name a folder in which "
            "Snakemake has made results/table1.csv (not results/ itself)"
        ) from None
    except SeqmatchError as error:
        raise SeqmatchError(f"{folder / COUNTED.with_suffix('.json')}: no configuration: {error}") from None


def settings_of(experiment: config.Experiment) -> dict[str, Any]:
    """Every setting, defaults too: what is defined, by section, and in `cells` those of every stage of every method."""
    settings, cells = experiment.config.model_dump(mode="json", exclude=RESOLVED), {}
    for stage in settings_table(experiment.runs.values()).to_dict("records"):
        place = cells.setdefault(stage["dataset"], {}).setdefault(f"ipc{stage['ipc']}", {})
        own = {name: value for name, value in stage.items() if name not in STAGE[:3] and value == value}
        place.setdefault(stage["method"], {})[f"stage{own.pop('stage')}"] = own
    return settings | {"cells": cells}


def differences(first: Mapping[str, Any], second: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted keys whose values differ, and both values; of a whole mapping that one side lacks the key alone."""
    for name in first | second:
        pair = first.get(name), second.get(name)
        if all(isinstance(value, Mapping) for value in pair):
            yield from differences(*pair, f"{above}{name}.")
        elif pair[0] != pair[1]:
            yield f"{above}{name}", *map(shown, pair)


def shown(value: Any) -> str:
    """A setting as text; empty where it is not there."""
    if isinstance(value, Mapping):
        return "there"
    return "" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def accuracies_in(folder: Path, experiment: config.Experiment, side: str) -> pd.DataFrame:
    """One row for each method in a cell that has been evaluated: `{side}_mean`, `…_std`, `…_failed` and `…_seeds`.

    Raises:
        SeqmatchError: nothing has been evaluated, or a table is damaged.
    """
    from seqmatch.report.tables.methods import methods_table  # scipy, which other commands do without

    asked = Plan(experiment).own_accuracies(bool)
    found = [folder / name for name in asked if (folder / name).exists()]
    if not found:
        raise SeqmatchError(f"{folder}: nothing has been evaluated there yet; the first is to be {folder / asked[0]}")
    table = methods_table(load_tables(found, Accuracy), method_order(experiment))
    quoted = table[[*CELL, "method", "accuracy_mean", "accuracy_std", "accuracy_failed", "seeds"]]
    return quoted.rename(columns=lambda name: name.replace("accuracy", side).replace("seeds", f"{side}_seeds"))


def compared(both: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of both sides as people read them, and what the second has more than the first."""
    more = both["B_mean"] - both["A_mean"]
    return pd.DataFrame(
        {
            "cell": cell_names(both),
            "method": both["method"].map(display_name),
            "A": means_stds(both, "A"),
            "B": means_stds(both, "B"),
            "B - A": [signed(points) for points in more],
            "seeds of A, B": both["A_seeds"].astype(str) + ", " + both["B_seeds"].astype(str),
        }
    )
