"""The benchmark of experts in half precision compares equal parts of trajectories, and says how much they differ."""

from types import SimpleNamespace

import pytest
import yaml
from helpers.files import ARCHITECTURE, write_all
from helpers.snakemake import TINY

from benchmarks import precision
from seqmatch import config
from seqmatch.data.dataset import load
from seqmatch.errors import SeqmatchError
from seqmatch.training.experts import Trajectories


def test_what_rounds_nothing_changes_nothing_and_more_bits_change_less(tmp_path, monkeypatch):
    write_all(tmp_path)
    exact = {"float32": lambda start, now: start + (now - start)}
    monkeypatch.setattr(precision, "STORAGE", exact | precision.STORAGE)
    cell = {"dataset": "digits", "ipc": 1, "methods": {"mtt": {"stages": [{"max_start_epoch": 1}]}}}
    run = config.load(TINY | {"cells": [cell]}).runs["digits", "mtt", "1"]
    spec, data = config.Architecture.model_validate_json(ARCHITECTURE), load(tmp_path / "data")
    with Trajectories([tmp_path / "experts"]) as experts:
        loss, table = precision.compared(experts, data, run, spec, 3)
    changes = table.set_index("stored as")[["loss, median", "gradient, median"]]
    assert loss > 0 and (changes.loc["float32"] < 1e-4).all()
    assert (changes.loc["float32"] < changes.loc["float16"]).all()
    assert (changes.loc["float16"] < changes.loc["bfloat16"]).all()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("random", "random on digits at ipc 3: no method of this experiment that matches trajectories"),
        ("nothing", "nothing on digits at ipc 3: no method"),
        ("mtt", r"shard0\.safetensors: there is no such file"),
    ],
)
def test_a_cell_without_experts_is_named(tmp_path, monkeypatch, method, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TINY))
    about = {"configfile": [tmp_path / "c.yaml"], "directory": tmp_path, "matches": 2, "threads": 1}
    with pytest.raises(SeqmatchError, match=message):
        precision.report(SimpleNamespace(dataset="digits", ipc="3", method=method, **about))
