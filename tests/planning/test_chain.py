"""The tool that says what runs took on one machine, and would take on enough of them."""

from pathlib import Path
from types import SimpleNamespace

import chain
import pytest
import torch
import yaml
from helpers.snakemake import TINY

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import provenance
from seqmatch.files.tensors import save_tensors
from seqmatch.planning.costs import START_SECONDS
from seqmatch.planning.jobs import Plan

DATA = "results/digits/data.safetensors"
METHODS = {
    "mtt": None,
    "seqmatch-mtt": {"stages": [{}, {}]},
    "beside": {"backbone": "mtt", "stages": [{}, {}], "rounds": 2},
}
EXPERIMENT = TINY | {"cells": [{"dataset": "digits", "ipc": 4, "methods": METHODS}]}

MADE = {
    "mtt": {"snapshots1": (30, []), "subset1": (1, ["snapshots1"])},
    "seqmatch-mtt": {
        "snapshots1": (20, []),
        "subset1": (1, ["snapshots1"]),
        "teachers2/shard0": (5, ["subset1"]),
        "snapshots2": (22, ["subset1", "teachers2/shard0"]),
        "subset2": (2, ["snapshots2", "subset1"]),
    },
    "beside": {
        "round0/subset1": (0, []),
        "round0/subset2": (0.5, []),
        "round1/teachers2/shard0": (5, ["round0/subset1"]),
        "round1/subset1": (10, ["round0/subset1"]),
        "round1/subset2": (11, ["round0/subset2", "round0/subset1", "round1/teachers2/shard0"]),
        "teachers2/shard0": (5, ["round1/subset1"]),
        "snapshots1": (10, ["round1/subset1"]),
        "snapshots2": (12, ["round1/subset2", "round1/subset1", "teachers2/shard0"]),
        "subset1": (1, ["snapshots1"]),
        "subset2": (2, ["snapshots2", "subset1"]),
    },
}
"""What each file of a run took in seconds, and what it was made from."""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The folder of an experiment whose runs are distilled."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(config.load(EXPERIMENT))
    jobs = {output: job for job in plan.jobs for output in job.outputs}
    written(DATA, [])
    for method, files in MADE.items():
        run = f"results/digits/{method}/ipc4/seed0"
        for name, (took, inputs) in files.items():
            for output in jobs[f"{run}/{name}.safetensors"].outputs:
                if output.endswith(".safetensors"):
                    written(output, [DATA, *(f"{run}/{read}.safetensors" for read in inputs)])
            benchmark = tmp_path / jobs[f"{run}/{name}.safetensors"].benchmark
            benchmark.parent.mkdir(parents=True, exist_ok=True)
            benchmark.write_text(f"s\tmax_rss\tcpu_time\n900\t1\t{took + START_SECONDS}\n")
    return plan


def written(name, inputs):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    save_tensors(Path(name), {"any": torch.zeros(1)}, provenance({}, list(map(Path, inputs))))


def test_the_chain_is_of_jobs_that_wait_for_each_other(ran):
    found = chain.chains(ran).set_index("method")
    assert found["jobs"].to_dict() == {"mtt": 2, "seqmatch-mtt": 5, "beside": 10}
    assert found["all"].to_dict() == pytest.approx({"mtt": 31, "seqmatch-mtt": 50, "beside": 56.5})
    # The second subset waits for its teachers: 5 + 11 in the first round, 12 in the second, then its selection.
    assert found["chain"].to_dict() == pytest.approx({"mtt": 31, "seqmatch-mtt": 50, "beside": 30})


def test_shares_are_of_the_baseline_in_the_same_cell_and_seed(ran):
    runs = chain.chains(ran)
    table = chain.compared(runs, "seqmatch-mtt").set_index("method")
    assert table.loc["beside", ["chain", "all"]].tolist() == pytest.approx([0.6, 1.13])
    with pytest.raises(SeqmatchError, match="--baseline dm: no run of it is distilled"):
        chain.compared(runs, "dm")


def test_runs_that_are_not_distilled_are_left_out(ran, tmp_path, monkeypatch):
    (tmp_path / "results/digits/beside/ipc4/seed0/subset2.safetensors").unlink()
    assert set(chain.chains(ran)["method"]) == {"mtt", "seqmatch-mtt"}
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(SeqmatchError, match="no run of this experiment is distilled"):
        chain.chains(ran)


def test_a_job_whose_time_is_unknown_is_named(ran):
    benchmark = Path("results/benchmarks/digits/mtt/ipc4/seed0/snapshots1.tsv")
    benchmark.unlink()
    with pytest.raises(FileNotFoundError, match=str(benchmark)):
        chain.chains(ran)


def test_the_command_prints_one_table(ran, tmp_path, monkeypatch, capsys):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    monkeypatch.chdir(tmp_path.parent)
    chain.main(SimpleNamespace(configfile=[tmp_path / "c.yaml"], directory=tmp_path, start=0.0, baseline=None))
    assert "| beside " in capsys.readouterr().out
