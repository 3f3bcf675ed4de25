"""The benchmark of experts in half precision compares equal parts of trajectories, and says how much they differ."""

from helpers.files import ARCHITECTURE, write_all
from helpers.snakemake import TINY

from benchmarks import precision
from seqmatch import config
from seqmatch.data.dataset import load
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
