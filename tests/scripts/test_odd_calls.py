"""Every script against hundreds of odd calls: one line that says what is wrong, no traceback, nothing in silence."""

import argparse
from collections import Counter

import pytest
from helpers.calls import call, outcome
from helpers.files import ARCHITECTURE, write_all
from helpers.parsers import SCRIPTS, parser_of
from shared import command

NESTED = "[" * 5000 + "]" * 5000
RUN = ["--dataset", "d", "--method", "mtt", "--ipc", "2", "--seed", "0"]
ONE = '{"epochs": 1, "networks": 1}'
NETWORK = ["--data", "data", "--architecture", ARCHITECTURE, "--compile", "never"]
TRAINING = [*NETWORK, "--evaluation", ONE]
SET = [*TRAINING, *RUN, "--subsets", "subset"]
PUBLISHED = ["--published", "published.csv", "--published-data", '{"d": "cifar10"}']
CONFIGURATION = (
    '{"datasets": {"d": {"source": "digits"}}, "architectures": {"c": {"family": "convnet"}}, "experts": '
    '{"e": {"architecture": "c"}}, "cells": [{"dataset": "d", "ipc": 4, "methods": {"random": {}}}]}'
)
FIGURE = ["--out", "f.png", "f.csv"]

CALLS = {
    "cluster_difficulty": ["losses", "--out", "o.csv", "--bins", "b.csv", "--csv", "s.csv"],
    "collect_convergence": ["snapshots", "--score-tables", "scores.csv", "--out", "o.csv"],
    "collect_tables": ["coupling.csv", "--out", "o.csv"],
    "comparison": ["accuracies.csv", "--contrasts", '[["d", "4", "mtt", "mtt"]]', "--csv", "o.csv"],
    "distill_subset": [*NETWORK, *RUN, "--subset", "1", "--subset-count", "1", "--matching",
                       '{"iterations": 0}', "--objective", "distribution", "--out", "o", "--prefix", "--experts"],
    "evaluate": [*SET, "--architecture-name", "c", "--matched-on", "c", "--selection", "last", "--also", "test",
                 "--snapshots", "snapshots", "--scores", "scores.csv", "--out", "o.csv"],
    "fetch_data": ["--source", "mnist", "--mirror", "nowhere", "--out", "fetched/files.json"],
    "figure_convergence": ["convergence.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_coupling": ["coupling.csv", *FIGURE, "--dataset", "d"],
    "figure_difficulty": ["difficulty.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_images": ["subset", *FIGURE, "--title", "t"],
    "figure_losses": ["losses-table.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "figure_resources": ["resources.csv", *FIGURE, "--dataset", "d"],
    "figure_stages": ["stages.csv", *FIGURE, "--dataset", "d", "--ipc", "4"],
    "measure_coupling": [*SET, "--coupling", '{"networks": 1, "records": 1, "draws": 1}', "--out", "o.csv"],
    "measure_resources": ["--dataset", "d", "--job", "rule", "file", "--benchmarks", "benchmark.tsv", "--out", "o.csv"],
    "measure_stages": [*SET, "--architecture-name", "c", "--out", "o.csv"],
    "overview": ["--tables", "methods.csv", "--comparison", "comparison.csv", "--accuracies", "accuracies.csv",
                 "--resources", "resources.csv", "--configuration", CONFIGURATION, *PUBLISHED, "--out", "o.html",
                 "--configuration-page", "c.html"],
    "prepare_dataset": ["--dataset", "d", "--preparation", '{"source": "digits"}', "--out", "o"],
    "published": ["--method-tables", "methods.csv", "--architecture-tables", "architectures.csv", *PUBLISHED,
                  "--published-architectures", '{"c": "ConvNet-3"}', "--csv", "o.csv"],
    "record_losses": [*SET, "--difficulty", '{"networks": 1, "records": 1}', "--out", "o"],
    "select_snapshot": [*TRAINING, "--snapshots", "snapshots", "--selections", "validation", "--networks", "1",
                        "--name", "d/mtt", "--scores", "s.csv", "--out", "o"],
    "table1": ["accuracies.csv", "--number", "1", "--methods", "mtt", *PUBLISHED, "--csv", "o.csv"],
    "table2": ["accuracies.csv", "--methods", "mtt", *PUBLISHED, "--published-architectures", '{"c": "ConvNet-3"}',
               "--csv", "o.csv"],
    "table4": ["--configuration", CONFIGURATION, "--csv", "o.csv"],
    "train_experts": [*NETWORK, "--recipe", '{"architecture": "c", "networks_per_shard": 1}', "--epochs", "1",
                      "--shard", "0", "--name", "d/e", "--out", "o"],
}  # fmt: skip
"""One call of each script that does what it should."""

WHOLE = ["-1", "1.5", "x", "", " 1", "1e3", "nan", str(2**63), str(2**64), "0x10", "1_0", "٣"]
NAME = ["", " ", "../up", "A", "a b", "$x$", "x" * 101, "a\n", "é", "-"]
PATH = ["", "\0", "a\0b"]
JSON = ["", "{", "null", "1", "[1]", '"x"', NESTED, "nan", '{"a": NaN}', '{"a": 1, "a": 1}', '{"a": 1e999}',
        '{"a": ' + "9" * 30 + "}"]  # fmt: skip
ODD = {
    "number": WHOLE,
    "count": [*WHOLE, "0"],
    "between.<locals>.whole": [*WHOLE, "99999"],
    "seconds": ["-1", "x", "", "nan", "inf", "1e400", "-0.1"],
    "name": NAME,
    "words": ["", " ", "a\nb", "\x1b[2J", "\0"],
    "title": ["\n", "\x1b[2J", "\ud800"],
    "images_per_class": ["x", "0", "-1", "", "all ", "1.0", "9" * 30, "ALL"],
    "path": [*PATH, "nowhere", ".", "/", "x" * 300],
    "file": [*PATH, ".", "..", "/", "a/", "x/.."],
    "table_file": [*PATH, ".", "/", "..", "x", "x.json", "x.txt", ".csv", "x/", "x.csv/.."],
    "figure_file": [*PATH, ".", "/", "..", "x", "x.exe", "x.json", ".png"],
    "json_object": JSON,
    "names": [*JSON, '{"a": 1}', '{"a": null}', '{"a": {"b": "c"}}'],
    "contrasts": [*JSON, '[["d"]]', "[[]]", '[["d", 4, "mtt", "mtt"]]', '[["d", "4", "mtt", "other"]]',
                  '[["x", "4", "mtt", "mtt"]]', "[null]"],
    "_section.<locals>.parse": [*JSON, '{"unknown": 1}', '{"networks": 0}', '{"networks": "x"}', '{"epochs": -1}'],
}  # fmt: skip
"""What must be refused, by the type of the option."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_script_has_a_call_that_does_what_it_should(folder):
    assert set(CALLS) == {path.stem for path in SCRIPTS}
    for script, words in CALLS.items():
        status, said = call(script, *words) if script != "fetch_data" else (0, "")  # that would ask the network
        assert status == 0, said


def odd_calls():
    """(script, words) in which one option has a value that must be refused; and calls with an option left out."""
    for script, words in CALLS.items():
        for action in parser_of(next(path for path in SCRIPTS if path.stem == script))._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            option = action.option_strings[0] if action.option_strings else None
            rest = without(words, option) if option else words[1:]
            if action.required or not option:
                yield script, rest
            if action.choices:
                values = ["", "x", "LAST", "0", "-1"]
            else:
                values = ODD[action.type.__qualname__] if action.nargs != 0 else []
            if option == "--checkpoints":
                values = PATH
            for value in values:
                given = [f"{option}={value}"] if option and action.nargs in (None, "?") else [option, value]
                yield script, [*rest, *given] if option else [value, *rest]
        yield script, []
        yield script, [*words, "--unknown", "1"]


def without(words, option):
    """The words without an option and its values."""
    if option not in words:
        return words
    at = words.index(option)
    end = next((index for index in range(at + 1, len(words)) if words[index].startswith("--")), len(words))
    return words[:at] + words[end:]


def test_odd_calls_are_refused_with_one_line(folder):
    calls = list(odd_calls())
    before = sorted(folder.rglob("*"))
    wrong = [(script, words, found) for script, words in calls if (found := outcome(script, *words))]
    assert not wrong, "\n".join(map(str, wrong))
    assert sorted(folder.rglob("*")) == before
    assert len(calls) >= 500 and len(Counter(script for script, _ in calls)) == len(SCRIPTS)


def test_the_types_say_what_they_expected():
    with pytest.raises(argparse.ArgumentTypeError, match="'-5': expected a whole number from 0"):
        command.number("-5")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'t\.json': expected a name that ends in \.csv"):
        command.table_file("t.json")
    assert command.number("0") == 0 and command.count("7") == 7 and command.seconds("0.5") == 0.5
