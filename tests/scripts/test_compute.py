"""The frame of a job, and the columns that say which run a table is of."""

import errno
import os
import sys
import time
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.tiny import ROOT, TINY, labelled
from shared import command, compute, runs

from seqmatch import config
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import fit_standardization
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table, save_table
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


def work(args):
    """The whole job."""
    with compute.job(args, []) as job:
        train(args, job)
        save_table(args.out, pd.DataFrame({"a": [1]}), job.header)


def test_a_job_gives_up_its_states_at_its_end_and_keeps_what_it_made_until_another_job_reads_it(args):
    with compute.job(args, []) as job:
        train(args, job)
        assert saved(args)
        assert list(job.header["inputs"]) == [str(args.data)] and job.header["parameters"]["architecture"]
        save_table(args.out, pd.DataFrame({"a": [1]}), job.header)
    assert not saved(args)
    for path in (args.out, args.out.with_suffix(".json")):
        path.unlink()  # as Snakemake does where it finds fault
    with pytest.raises(command.Finished), compute.job(args, []):
        raise AssertionError("nothing is computed again")
    assert load_table(args.out)["a"].tolist() == [1]
    reader = Namespace(**vars(args) | {"out": args.out.with_name("next.csv")})
    with compute.job(reader, [args.out]):
        assert not [path for path in args.checkpoints.rglob("*") if path.is_file()]


@pytest.mark.parametrize("fails", [OSError("no space left on device"), SeqmatchError("it cannot be written")])
def test_a_job_whose_output_cannot_be_written_keeps_its_last_state(args, fails, capsys):
    args.save_every = 1000
    with pytest.raises(type(fails)), compute.job(args, []) as job:
        train(args, job)
        assert not saved(args)
        raise fails
    assert saved(args) and "state saved in" in capsys.readouterr().err


def test_a_disk_that_is_full_at_the_last_rename_leaves_the_state_and_what_was_there(args, monkeypatch):
    save_table(args.out, pd.DataFrame({"a": [0]}), {})
    rename, before = Path.replace, args.out.read_bytes()

    def full(path, target):
        if Path(target).suffix == ".csv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path), None, str(target))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match=rf"No space left on device: '{args.out}'"):
            work(args)
    assert args.out.read_bytes() == before and saved(args)
    work(args)
    assert load_table(args.out)["a"].tolist() == [1] and not saved(args)


def test_what_would_be_lost_in_the_end_is_found_before_anything_is_computed(args, monkeypatch):
    monkeypatch.setattr(devices, "prepare", lambda gpus, threads: pytest.fail("begun"))
    os.utime(args.data, (time.time() + 4000,) * 2)
    with pytest.raises(SeqmatchError, match=r"data\.safetensors: .*lies ahead of the clock.*touch"):
        work(args)
    os.utime(args.data)
    args.out.mkdir()
    with pytest.raises(SeqmatchError, match=r"out\.csv: is a folder"):
        work(args)


def test_a_table_says_first_which_run_it_is_of():
    parameters = {"seed": 0, "ipc": "2", "dataset": "d", "method": "m", "subset": 1, "architecture": "convnet"}
    table = runs.add_run(runs.run_of(parameters, "subset"), pd.DataFrame({"network": [0, 1], "accuracy": [50.0, 60.0]}))
    assert list(table.columns) == ["dataset", "method", "ipc", "seed", "subset", "network", "accuracy"]
    assert table["method"].tolist() == ["m", "m"] and table["network"].tolist() == [0, 1]
    empty = runs.add_run(runs.run_of(parameters), pd.DataFrame(columns=["accuracy"]))
    assert empty.empty and list(empty.columns) == [*runs.RUN, "accuracy"]


def test_small_networks_of_the_package_are_trained_as_one(args):
    with compute.job(args, []) as job:
        small, wide = ({"width": width} for width in (4, 2048))
        for changes, compiled, expected in ((small, "never", 16), (small, "always", 1), (wide, "never", 1)):
            asked = Namespace(architecture=TINY.model_copy(update=changes), compile=compiled)
            assert compute.gradients_for(asked, job)(10).joined(12) == expected


def test_states_of_before_an_edit_stay_and_are_not_used(args, monkeypatch, capsys):
    with pytest.raises(OSError, match="full"), compute.job(args, []) as job:
        train(args, job)
        raise OSError("full")
    before = set(saved(args))
    monkeypatch.setattr(compute, "digest", lambda path, modules, texts: "edited")
    work(args)
    assert before and before == set(saved(args))
    said = capsys.readouterr().err
    assert all(f"note: {path}: of other parameters, inputs or code; not used" in said for path in before)


def test_an_edit_to_a_module_that_is_loaded_by_name_makes_other_states(args):
    plain, with_gradient, with_kernel = (
        compute.open_checkpoint(args, {}, modules).path
        for modules in ([], ["seqmatch.distillation.gradient"], ["seqmatch.distillation.kernel"])
    )
    assert len({plain, with_gradient, with_kernel}) == 3
