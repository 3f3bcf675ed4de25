"""Every script against hundreds of odd calls: one line that says what is wrong, no traceback, nothing in silence."""

import argparse
import os
from collections import Counter

import pytest
import torch
from helpers.calls import CALLS, call, outcome
from helpers.files import write_all
from helpers.parsers import SCRIPTS, parser_of
from shared import command

from seqmatch.files import store
from seqmatch.files.store import load_table, save_table
from seqmatch.files.tensors import load_tensors, save_tensors

NESTED = "[" * 5000 + "]" * 5000
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
    "gigabytes": ["-1", "x", "", "nan", "inf", "1e400", "-0.1", "AUTO", "auto "],
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
    "prefixes": [*JSON, "[[]]", '[["d", "4", "mtt", 1, 4]]', '[["d", "4", "mtt", -1, 4, "mtt"]]'],
    "_section.<locals>.parse": [*JSON, '{"unknown": 1}', '{"networks": 0}', '{"networks": "x"}', '{"epochs": -1}'],
}  # fmt: skip
"""What must be refused, by the type of the option."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store.os, "fsync", lambda number: None)
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
    calls = list(odd_calls())[::3]
    before = sorted(folder.rglob("*"))
    wrong = [(script, words, found) for script, words in calls if (found := outcome(script, *words))]
    assert not wrong, "\n".join(map(str, wrong))
    assert sorted(folder.rglob("*")) == before
    assert len(calls) >= 500 and len(Counter(script for script, _ in calls)) == len(SCRIPTS)


def test_a_pipe_is_no_file_to_read(tmp_path):
    """Whoever opens it waits for somebody who writes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(argparse.ArgumentTypeError, match="expected the path of a file or folder"):
        command.path(str(tmp_path / "pipe"))


def test_nothing_is_written_over_what_is_read_or_written_too(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for script, old, new in (
        ("collect_tables", "o.csv", "coupling.csv"),
        ("evaluate", "o.csv", "./scores.csv"),
        ("distill_subset", "o", "data"),
        ("figure_stages", "f.csv", "stages.csv"),
        ("select_snapshot", "o", "s.json"),
        ("cluster_difficulty", "o.csv", "b.csv"),
    ):
        status, said = call(script, *(new if word == old else word for word in CALLS[script]))
        assert status == 2 and "stands for two files, one of which would be lost" in said, (script, said)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_types_say_what_they_expected():
    with pytest.raises(argparse.ArgumentTypeError, match="'-5': expected a whole number from 0"):
        command.number("-5")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'t\.json': expected a name that ends in \.csv"):
        command.table_file("t.json")
    assert command.number("0") == 0 and command.count("7") == 7 and command.seconds("0.5") == 0.5


def test_forged_files_are_refused_by_the_scripts_that_read_them(folder):
    """Of each kind: one of another kind, one that is cut, and one that holds what it must not."""
    number = 0
    for script, words in CALLS.items():
        for place, word in enumerate(words):
            if len(word) > 30 or word == "file" or not (folder / word).is_file():
                continue
            for forged, what in forgeries(folder, word):
                number += 1
                if number % 3 or (script == "collect_convergence" and what in ("images", "labels", "formation")):
                    continue  # (which it does not read)
                found = outcome(script, *words[:place], forged, *words[place + 1 :])
                assert not found, (script, word, what, found)
    assert number > 200


def forgeries(folder, name):
    """Forged files in the place of one, and what they are."""
    path = folder / f"forged-{name}"
    if name in ("published.csv", "benchmark.tsv"):
        path.write_text("a,b\n1,2\n")
        yield path.name, "other columns"
    elif path.suffix == ".csv":
        table = load_table(folder / name).astype(object)
        yield "scores.csv" if name != "scores.csv" else "stages.csv", "of another kind"
        for column in table.columns[-3:]:
            changed = table.copy()
            changed.loc[len(table) - 1, column] = "x"
            save_table(path, changed, {"device": "cpu"})
            yield path.name, column
        path.write_bytes(path.read_bytes()[:-3])
        yield path.name, "cut"
    else:
        tensors, header = load_tensors(folder / name)
        yield "losses" if name != "losses" else "data", "of another kind"
        for tensor in sorted(tensors):
            if tensors[tensor].dtype != torch.uint8:
                changed = tensors[tensor].clone()
                changed.view(-1)[-1] = float("nan") if changed.is_floating_point() else 2**40
                save_tensors(path, tensors | {tensor: changed}, header)
                yield path.name, tensor
        path.write_bytes(path.read_bytes()[:-3])
        yield path.name, "cut"


def test_sizes_that_contradict_each_other_are_refused(folder):
    assert "--ipc all: all real data are no subsets" in call("evaluate_baselines", *changed("--ipc", "all"))[1]
    words = [*CALLS["distill_subset"]]
    words[words.index("--matching") + 1] = '{"iterations": 0, "size": 1}'
    status, said = call("distill_subset", *words)
    assert status == 1 and "--matching: size = 1, but --ipc and --sizes say 2" in said


def changed(option, value):
    """The call of evaluate_baselines with another value."""
    words = [*CALLS["evaluate_baselines"]]
    words[words.index(option) + 1] = value
    return words
