"""Fixtures of all tests: nothing draws from a global generator, and a finished experiment to look at."""

import fcntl
import os
import random
import shutil
import sys

import numpy as np
import pytest
import torch
from helpers import snakemake

from seqmatch.command import main as command


@pytest.fixture(autouse=True)
def global_generators_stay_untouched():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    yield
    after = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    assert torch.equal(before[0], after[0])
    assert (before[1] == after[1]).all()
    assert before[2] == after[2]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def chunks_as_everywhere():
    os.environ["SEQMATCH_CHUNK_MB"] = "4"


@pytest.fixture
def called(monkeypatch, capsys):
    """What a call of the command `seqmatch` prints, in this process, and the status that it ends with."""

    def call(*words, status=0):
        monkeypatch.setattr(sys, "argv", ["seqmatch", *map(str, words)])
        try:
            command.main()
        except SystemExit as end:
            assert end.code == status
        else:
            assert status == 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.err if status else said.out

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A copy of the project in which the tiny experiment has run; who changes it puts it back.

    Of several processes that test, one runs it, and each has a copy.
    """
    folder = tmp_path_factory.mktemp("finished") / "project"
    shared = tmp_path_factory.getbasetemp().parent
    whole = folder if worker_id == "master" else shared / "finished"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (whole / "results").exists():
            snakemake.copy_project(whole, snakemake.TINY)
            snakemake.run(whole, "all")
    if whole != folder:
        shutil.copytree(whole, folder, symlinks=True)
    return folder
