"""The greedy division of images per class into subsets, with made-up judgements in place of runs."""

import math
import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.errors import SeqmatchError

sys.path.insert(0, str(ROOT / "tools"))

import divide
from divide import Trial, next_divisions, stages, worth

ARGUMENTS = {"configfile": [ROOT / "config/choices.yaml"], "dataset": "digits", "ipc": "6", "method": "seqmatch-mtt"}


def divided(monkeypatch, capsys, judgement, **others):
    """What is printed where `judgement` of sizes gives accuracy and operations."""
    monkeypatch.setattr(divide, "judge", lambda whole, cell, entry, sizes, args: Trial(sizes, *judgement(sizes)))
    divide.main(Namespace(**ARGUMENTS | {"step": 2} | others))
    return capsys.readouterr().out


def test_the_next_images_go_to_the_last_subset_or_a_new_one():
    assert next_divisions(None, 2, 6) == [(2,)]
    assert next_divisions(Trial((2, 1), 50.0, 1.0), 2, 4) == [(2, 2), (2, 1, 1)]


@pytest.mark.parametrize(
    ("gains", "best"), [([(3, 1), (4, 2)], 0), ([(3, 2), (4, 2)], 1), ([(-1, 1), (1, 90)], 1), ([(-1, 9), (-2, 1)], 0)]
)
def test_what_gains_more_per_operation_is_worth_more_and_any_gain_more_than_a_loss(gains, best):
    before = Trial((2,), 50.0, 10.0)
    trials = [Trial((4,), 50.0 + gain, 10.0 + cost) for gain, cost in gains]
    assert max(trials, key=lambda trial: worth(trial, before)) is trials[best]


def test_what_was_tried_is_printed_and_the_stages_that_were_chosen_load(monkeypatch, capsys):
    """New subsets cost as much as larger ones here; they gain more up to two."""
    said = divided(monkeypatch, capsys, lambda sizes: (10.0 * sum(sizes) + 5 * (len(sizes) == 2), 1e12 * sum(sizes)))
    rows = [line.split("|")[1:] for line in said.splitlines() if line.startswith("| ")][1:]
    assert [(row[0].strip(), row[3].strip()) for row in rows] == [
        ("2", "yes"), ("4", ""), ("2 2", "yes"), ("2 4", "yes"), ("2 2 2", ""),
    ]  # fmt: skip
    assert "together 22 TFLOP" in said and "stages:\n- {size: 2}\n- {max_start_epoch: 6" in said
    sizes = stages({"stages": [{}, {"max_start_epoch": 4}]}, (2, 1, 3))
    assert sizes == [{"size": 2}, {"max_start_epoch": 4, "size": 1}, {"max_start_epoch": 4, "size": 3}]


def test_a_division_on_which_networks_fail_is_not_chosen(monkeypatch, capsys):
    accuracy = {(4,): math.nan, (2, 4): math.nan, (2, 2, 2): 40.0}
    said = divided(monkeypatch, capsys, lambda sizes: (accuracy.get(sizes, 50.0), 1e12 * sum(sizes)))
    rows = [line.split("|")[1:] for line in said.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows if row[3].strip() == "yes"] == ["2", "2 2", "2 2 2"]
    with pytest.raises(SeqmatchError, match=r"on every division that was tried last \(4 and 2 2\): their training div"):
        divided(monkeypatch, capsys, lambda sizes: (50.0 if sizes == (2,) else math.nan, 1e12))


def test_a_trial_is_an_experiment_of_its_own_that_keeps_how_subsets_are_distilled():
    whole = config.read(ROOT / "config/choices.yaml")
    whole["datasets"]["other"] = {"source": "imagefolder", "path": "imgs"}
    whole["data"] = {"mirrors": {"fashion-mnist": ["downloads", "https://mirror.example/data"]}}
    args = Namespace(**ARGUMENTS, short_iterations=8, short_epochs=5, seed_count=2)
    cell, entry = divide.cell_of(whole, args)
    entry |= {"rounds": 2, "teachers": "first", "evaluation": {"step_sizes": "first"}}
    settings = divide.short_experiment(whole, cell, entry, (2, 2, 2), "divided-2-2-2", args)
    (run,) = config.load(settings).runs.values()
    assert (run.sizes, run.rounds, run.teachers, run.analysed) == ([2, 2, 2], 2, "first", False)
    assert [stage.iterations for stage in run.stages] == [8, 8, 8] and run.evaluation.epochs == 5
    assert run.evaluation.step_sizes == "first"
    assert settings["datasets"]["other"]["path"] == str(Path("imgs").resolve())
    mirrors = settings["data"]["mirrors"]["fashion-mnist"]
    assert mirrors == [str(Path("downloads").resolve()), "https://mirror.example/data"]
    (alone,) = config.load(divide.short_experiment(whole, cell, entry, (2,), "divided-2", args)).runs.values()
    assert (alone.sizes, alone.rounds, alone.evaluation.step_sizes) == ([2], 0, "own")


def test_the_snapshot_that_judges_is_the_one_that_the_workflow_selects():
    scores = pd.DataFrame({"snapshot": [0, 0, 1, 1], "validation": [60.0, 61.0, math.nan, 80.0]})
    assert divide.score_of_best(scores) == 60.5
    assert math.isnan(divide.score_of_best(scores[2:]))


@pytest.mark.parametrize("method", ["random", "mtt-unknown"])
def test_a_method_that_distils_nothing_is_refused(method):
    with pytest.raises(SeqmatchError, match=f"no cell distils with {method} on digits at ipc 6"):
        divide.main(Namespace(**ARGUMENTS | {"method": method, "step": 2}))


def test_without_validation_images_nothing_can_be_judged(monkeypatch):
    whole = config.read(ROOT / "config/choices.yaml")
    whole["datasets"]["digits"]["validation_fraction"] = 0
    with pytest.raises(SeqmatchError, match="validation_fraction = 0: validation images judge divisions"):
        divide.cell_of(whole, Namespace(**ARGUMENTS))
