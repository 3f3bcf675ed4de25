"""What `seqmatch compare` makes of two folders."""

import copy
import json
import sys

import pandas as pd
import pytest
from helpers.files import TABLES
from helpers.snakemake import TINY

from seqmatch import config
from seqmatch.command import main as command
from seqmatch.files.store import save_table
from seqmatch.planning.contents import configuration
from seqmatch.planning.jobs import Plan


def run_in(folder, settings, accuracies):
    """An experiment's folder with the files that are read: two networks of each method and seed in `accuracies`."""
    experiment = config.load(settings)
    about = {"parameters": {"configuration": json.loads(configuration(experiment, ["difficulty"]))}}
    save_table(folder / "results/operations.csv", pd.DataFrame({"gflop": [1.0]}), about)
    for job in Plan(experiment).by_rule["evaluate"]:
        of = job.wildcards
        found = accuracies.get((of["method"], of["seed"]))
        if found and of["architecture"] == "convnet":
            run = {name: of[name] for name in ("dataset", "method", "ipc", "seed")}
            rows = TABLES["accuracies"].assign(**run, matched_on="convnet", architecture="convnet", accuracy=found)
            save_table(folder / job.outputs[0], rows, {})
    return folder


@pytest.fixture
def first(tmp_path):
    values = {("mtt", 0): [80.0, 82.0], ("random", 0): [50.0, 51.0]}
    return run_in(tmp_path / "first", TINY, values)


@pytest.fixture
def compared(monkeypatch, capsys):
    """What a call prints, as rows of cells."""

    def call(*folders, status=0):
        monkeypatch.setattr(sys, "argv", ["seqmatch", "compare", *map(str, folders)])
        try:
            command.main()
        except SystemExit as end:
            assert end.code == status
        said = capsys.readouterr()
        if status:
            return said.err
        return [[part.strip() for part in line.strip("|").split("|")] for line in said.out.splitlines() if line]

    return call


def test_settings_that_differ_and_accuracies_that_both_have(tmp_path, first, compared):
    other = copy.deepcopy(TINY) | {"seeds": [0, 1]}
    other["experts"]["convnet"]["learning_rate"] = 0.06
    other["matching"]["lr_images"] = 0.04
    del other["cells"][1]["methods"]["random"]
    other["cells"][1]["methods"]["seqmatch-mtt"]["stages"].append({})
    second = run_in(tmp_path / "second", other, {("mtt", 0): [82.0, 84.0], ("mtt", 1): [83.0, 85.0]})
    rows = compared(first, second)
    assert rows[:2] == [[f"A: {first}"], [f"B: {second}"]]
    assert ["seeds", "0", "0 1"] in rows and ["experts.convnet.learning_rate", "0.05", "0.06"] in rows
    assert ["cells.digits.ipc3.mtt.stage1.lr_images", "0.03", "0.04"] in rows
    assert ["cells.digits.ipc3.random", "there", ""] in rows
    assert ["cells.digits.ipc3.seqmatch-mtt.stage3", "", "there"] in rows
    assert not [row for row in rows if "batch_size" in row[0] or "width" in row[0]]
    assert rows[-1] == ["digits ipc 3", "MTT", "81.0 ± 1.4", "83.5 ± 1.3", "+2.5", "1, 2"]
    assert not [row for row in rows if row[0].startswith("digits ipc") and row[1] != "MTT"]


def test_an_experiment_does_not_differ_from_itself(first, compared):
    """Nor where the other one writes a default out."""
    rows = compared(first, first)
    assert rows[3] == ["none"] and [row[4] for row in rows if row[0] == "digits ipc 3"] == ["+0.0", "+0.0"]
    written = run_in(first.parent / "written", TINY | {"fair_comparison": False}, {("whole", 0): [90.0, None]})
    assert compared(first, written)[3:] == [["none"], ["Accuracies of what both have"], ["none"]]


def test_folders_that_hold_no_experiment_are_named(tmp_path, first, compared):
    empty = tmp_path / "empty"
    assert f"error: {empty}: no experiment, for there is no results/operations.json" in compared(first, empty, status=1)
    assert "not results/ itself" in compared(first / "results", first, status=1)
    assert "the path of a file or folder" in compared(first, "", status=2)
    begun = run_in(tmp_path / "begun", TINY, {})
    assert f"{begun}: nothing has been evaluated there yet" in compared(first, begun, status=1)
    (begun / "results/operations.json").write_text('{"checksum": "", "parameters": {}}')
    assert f"error: {begun}/results/operations.json: no configuration" in compared(begun, first, status=1)
