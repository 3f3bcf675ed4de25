"""The tool that sets estimates beside what jobs took."""

from types import SimpleNamespace

import measured
import pytest
import yaml
from helpers.snakemake import TINY

from seqmatch import config, networks
from seqmatch.errors import SeqmatchError
from seqmatch.planning.costs import START_SECONDS, Scale, distillation
from seqmatch.planning.jobs import Plan

RATE = 1e4
"""Operations per second: so few that the jobs of a test take more than a moment."""


def test_a_method_that_takes_twice_what_its_estimate_says_has_a_ratio_of_two(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    methods = {name: None for name in ("random", "dm", "dc", "mtt")}
    raw = TINY | {"cells": [{"dataset": "digits", "ipc": 3, "methods": methods}]}
    plan = Plan(config.load(raw))
    with pytest.raises(SeqmatchError, match="no job of this experiment is finished"):
        measured.compared(plan, RATE)
    scale = Scale(plan.experiment, networks.count_operations)
    for job in plan.by_rule["distill_subset"]:
        slower = 2 if job.wildcards["method"] == "dm" else 1
        took = START_SECONDS + slower * distillation(scale, job.wildcards).seconds(RATE)
        (tmp_path / job.benchmark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / job.benchmark).write_text(f"s\tmax_rss\tcpu_time\n{2 * took}\t1\t{took}\n")
    table = measured.compared(plan, RATE).set_index("method")
    assert table["ratio"].to_dict() == pytest.approx({"dm": 2, "dc": 1, "mtt": 1})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(raw))
    measured.main(SimpleNamespace(configfile=[tmp_path / "c.yaml"], directory=tmp_path, gflops=RATE / 1e9))
    assert "| distill_subset | mtt " in capsys.readouterr().out
