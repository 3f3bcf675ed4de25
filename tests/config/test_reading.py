import pytest
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.errors import SeqmatchError

FILES = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_is_complete_in_itself(path):
    assert config.load(config.read(path)).warnings == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml, line 3: a stands twice in one mapping, first in line 1"),
        ("a:\n  b: 1\n  c: {d: 1, d: 2}\n", "x.yaml, line 3: d stands twice in one mapping, first in line 3"),
        ("a: [{b: 1,\n b: 1}]\n", "x.yaml, line 2: b stands twice"),
        ("- a\n", "expected keys with values at the top level"),
        ("a: [\n", "cannot be read as a configuration"),
        ("a: !!bool foo\n", "cannot be read as a configuration"),
        ("a: !!timestamp foo\n", "cannot be read as a configuration"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SeqmatchError, match=r"x\.yaml") as caught:
        config.read(tmp_path / "x.yaml")
    assert message in str(caught.value)


def test_merged_anchors_are_not_keys_given_twice(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\ne: *a\n")
    assert config.read(tmp_path / "x.yaml")["d"] == {"b": 3, "c": 2}
