"""The frame of a job, and the columns that say which run a table is of."""

import sys
from argparse import Namespace

import pandas as pd
import pytest
import torch
from helpers.tiny import ROOT, TINY, labelled
from shared import compute, runs

from seqmatch import config
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import fit_standardization
from seqmatch.runtime import device as devices
from seqmatch.seeds import Seed
from seqmatch.training.loop import Stage


@pytest.fixture
def args(tmp_path, monkeypatch):
    """Of a job that trains on a tiny data set."""
    monkeypatch.setattr(sys, "argv", [str(ROOT / "scripts" / "evaluate.py")])
    monkeypatch.setattr(devices, "prepare", lambda gpus, threads: torch.device("cpu"))
    monkeypatch.chdir(tmp_path)
    images, labels = labelled()
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(12), "validation": torch.arange(0), "test": torch.arange(0)}
    path = tmp_path / "data.safetensors"
    save(path, Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ("crop",)), {})
    return Namespace(
        data=path,
        out=tmp_path / "out.csv",
        checkpoints=tmp_path / "checkpoints",
        save_every=0,
        gpu=0,
        threads=1,
        compile="never",
        architecture=TINY,
        evaluation=config.Evaluation(epochs=3),
    )


def train(args, job):
    """One network, saved at every epoch."""
    learner = compute.learner(args, job)
    stage = Stage(*job.dataset.split("train", job.device), 0.05)
    learner.train([learner.member([stage], Seed("t"))], lambda network, position: None, "test")


def saved(args):
    return list(args.checkpoints.rglob("*.safetensors"))


def test_a_job_removes_its_checkpoint_at_its_end(args):
    with compute.job(args, []) as job:
        train(args, job)
        assert saved(args)
        assert list(job.header["inputs"]) == [str(args.data)] and job.header["parameters"]["architecture"]
    assert not saved(args)


def test_a_job_whose_output_cannot_be_written_keeps_its_checkpoint(args):
    with pytest.raises(OSError), compute.job(args, []) as job:
        train(args, job)
        raise OSError("no space left on device")
    assert saved(args)


def test_a_table_says_first_which_run_it_is_of():
    parameters = {"seed": 0, "ipc": "2", "dataset": "d", "method": "m", "subset": 1, "architecture": "convnet"}
    table = runs.add_run(runs.run_of(parameters, "subset"), pd.DataFrame({"network": [0, 1], "accuracy": [50.0, 60.0]}))
    assert list(table.columns) == ["dataset", "method", "ipc", "seed", "subset", "network", "accuracy"]
    assert table["method"].tolist() == ["m", "m"] and table["network"].tolist() == [0, 1]
    empty = runs.add_run(runs.run_of(parameters), pd.DataFrame(columns=["accuracy"]))
    assert empty.empty and list(empty.columns) == [*runs.RUN, "accuracy"]
