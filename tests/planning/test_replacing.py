"""What a run says of finished results before it replaces them."""

from pathlib import Path

import pytest

from seqmatch.errors import SeqmatchError
from seqmatch.planning.replacing import RECORD, begin, name_of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("old").touch()


JOBS = [("evaluate", ["old"]), ("distill_subset", ["old"]), ("distill_subset", ["old"]), ("evaluate", ["old", "new"])]
TABLES = [("distill_subset", ["new"]), ("table1", ["old"]), ("figure_images", ["old"])]


def test_an_experiment_is_named_like_its_files():
    assert name_of(["config.yaml"]) == "config" and name_of([Path("a/b.yaml"), "c.json"]) == "b+c"


def test_finished_results_that_are_made_anew_are_told_of():
    """Not those that are new, nor tables and figures, which take seconds."""
    assert begin("config", TABLES) == ""
    told = "made anew, since settings, code or inputs have changed: 2 of distill_subset, 1 of evaluate."
    assert told in begin("config", JOBS) and RECORD.read_text() == "config\n"


def test_finished_results_of_another_experiment_are_replaced_with_permission_alone():
    assert begin("config", JOBS[3:]) == ""
    for _ in range(2):
        with pytest.raises(SeqmatchError) as refused:
            begin("methods", JOBS)
        assert "methods would replace finished results" in str(refused.value)
        assert "2 of distill_subset, 1 of evaluate. Another experiment ran there, config" in str(refused.value)
        assert "--directory experiments/methods" in str(refused.value) and RECORD.read_text() == "config\n"
    RECORD.unlink()  # the permission
    assert "made anew" in begin("methods", JOBS) and RECORD.read_text() == "methods\n"


def test_tables_of_another_experiment_are_named_and_its_other_results_stay_its_own():
    begin("config", [])
    told = begin("methods", TABLES)
    assert told.startswith("tables and figures are made anew, as those of methods: 1 of table1, 1 of figure_images.")
    assert "Another experiment ran here, config." in told and RECORD.read_text() == "config\nmethods\n"
    for name in ("config", "methods"):  # whose they are is not known
        with pytest.raises(SeqmatchError, match="Another experiment ran there"):
            begin(name, JOBS)
