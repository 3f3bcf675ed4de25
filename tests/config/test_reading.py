import copy

import pytest
from helpers.tiny import ROOT
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from seqmatch import config
from seqmatch.command.experiment import merged
from seqmatch.errors import SeqmatchError

FILES = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml")), ROOT / ".test/config/config.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_is_complete_in_itself(path):
    assert config.load(config.read(path)).warnings == []


def anchored(levels, within):
    """A chain of anchors, each of which holds `within` of the one before it."""
    lines = ["x0: &x0 [1]", *(f"x{i}: &x{i} [{within.format(f'x{i - 1}')}]" for i in range(1, levels))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml, line 3: a stands twice in one mapping, first in line 1"),
        ("a:\n  b: 1\n  c: {d: 1, d: 2}\n", "x.yaml, line 3: d stands twice in one mapping, first in line 3"),
        ("a: [{b: 1,\n b: 1}]\n", "x.yaml, line 2: b stands twice"),
        ("- a\n", "expected keys with values at the top level"),
        ("a: [\n", "cannot be read as a configuration"),
        ("a: !!bool foo\n", "cannot be read as a configuration"),
        ("a: !!timestamp foo\n", "foo is read as a date"),
        ('{"a": {"b": 1, "b": 2}}', "b stands twice in one mapping"),
        ("__use_yte__: true\na: 1\n", "configurations are no templates"),
        ("a: &a [*a]\n", "x.yaml, line 1: contains itself"),
        ("b: 1\na: &a {b: {c: *a}}\n", "x.yaml, line 2: contains itself"),
        ("x: " + "[" * 400 + "]" * 400, "more than 50 levels"),
        ('{"x": ' + "[" * 9999 + "]" * 9999 + "}", "more than 50 levels"),
        (anchored(30, "*{0}, *{0}"), "stands for more than 100,000 values"),
        (anchored(60, "*{0}"), "more than 50 levels"),
        ("ipc: 010\n", "x.yaml, line 1: 010 is read as a number to the base 8; write it as a decimal number"),
        ("a: 1\nb: [-07]\n", "x.yaml, line 2: -07 is read as a number to the base 8"),
        ("a: 1:30\n", "1:30 is read as a number to the base 60"),
        ("a: 1:30.5\n", "1:30.5 is read as a number to the base 60"),
        ("a: 2024-01-01\n", "2024-01-01 is read as a date; put it in quotes"),
        *((f"a: {word}\n", f"{word} is read as true or false") for word in ("yes", "No", "ON", "off")),
        ("a: {2024: 1}\n", "line 1: the key 2024 is read as a number; put it in quotes"),
        ("no: 1\n", "the key no is read as true or false"),
        ("~: 1\n", "the key ~ is read as nothing"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SeqmatchError, match=r"x\.yaml") as caught:
        config.read(tmp_path / "x.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_in_utf_8_is_named_with_the_line(tmp_path, encoding):
    (tmp_path / "x.yaml").write_text("a: é\n", encoding=encoding)
    with pytest.raises(SeqmatchError, match=r"x\.yaml, line 1: not in UTF-8"):
        config.read(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    "text", ["\ufeffa: {b: [1, 'no', \"010\", 0x10, true]}", '{\n\t"a": {"b": [1, "no", "010", 16, true]}}']
)
def test_what_is_written_plainly_is_read_as_snakemake_reads_it(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    read = config.read(tmp_path / "x.yaml")
    assert read == load_configfile(tmp_path / "x.yaml") == {"a": {"b": [1, "no", "010", 16, True]}}


GIVEN = {
    "seeds": ["3"],
    "matching": {"iterations": "5", "soft_labels": "true", "synthetic_batch": "null", "lr_images": "0.5"},
    "names": ["'2024'", "mnist", "a # b", "", "[", "007x"],
}
"""As Snakemake hands over `--config 'seeds=[3]' 'matching={iterations: 5, …}' …`."""


def test_values_of_the_command_line_are_what_they_would_be_in_a_file():
    settings = config.typed(copy.deepcopy(GIVEN), GIVEN)
    assert settings == {
        "seeds": [3],
        "matching": {"iterations": 5, "soft_labels": True, "synthetic_batch": None, "lr_images": 0.5},
        "names": ["2024", "mnist", "a # b", None, "[", "007x"],
    }
    with pytest.raises(SeqmatchError, match="--config: 010 is read as a number to the base 8"):
        config.typed({"seeds": ["010"]}, {"seeds": ["010"]})


def test_a_key_that_is_given_twice_on_the_command_line_is_told_of():
    """Snakemake hands over the last one."""
    words = [
        "-n",
        "other={a: 1, a: 2}",
        "seeds=[3]",
        "matching={a: 1, b: {a: 2}}",
        "cells=",
        "data={a: [",
        "x=[&a [*a]]",
    ]
    given = ("seeds", "matching", "cells", "data")
    config.check_words(words, given)
    with pytest.raises(SeqmatchError, match=r"--config matching: c stands twice in one mapping.*keep one of them"):
        config.check_words([*words, "matching={a: 1, b: [{c: 2, 'c': 3}]}"], given)


def test_only_what_the_command_line_gave_is_converted():
    """A workflow that uses this one as a module may give it other settings than its own."""
    assert config.typed({"a": {"b": "1", "c": "2"}, "d": "3"}, {"a": {"b": "1", "x": "5"}, "d": "4"}) == {
        "a": {"b": 1, "c": "2"},
        "d": "3",
    }


def test_the_default_is_that_of_the_working_folder_or_else_of_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert merged([]) == config.read(ROOT / "config.yaml")
    (tmp_path / "config.yaml").write_text("seeds: [5]")
    assert merged([]) == {"seeds": [5]}


def test_files_are_laid_over_one_another_as_snakemake_does_it(tmp_path):
    texts = ["a: {b: 1, c: {d: 2}}\ne: [1, 2]\n", "a: {c: {f: 3}, b: {g: 4}}\ne: [3]\n", "a: 5\n"]
    paths = [tmp_path / f"{index}.yaml" for index in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    for count in range(1, len(paths) + 1):
        expected = {}
        for path in paths[:count]:
            update_config(expected, load_configfile(path))
        assert merged(paths[:count]) == expected


def test_merged_anchors_are_not_keys_given_twice(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\ne: *a\n")
    assert config.read(tmp_path / "x.yaml")["d"] == {"b": 3, "c": 2}
