"""Files are kept in a store instead of the folder that Snakemake runs in."""

import shutil
from importlib.util import find_spec

import pytest
from helpers.snakemake import TINY, copy_project, run

from seqmatch.files.store import load_table

HERE = find_spec("snakemake_storage_plugin_fs") and shutil.which("rsync")


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="needs `uv run --extra storage`, and rsync")
def test_nothing_that_a_job_needs_or_makes_is_only_in_the_folder(tmp_path):
    project, store = copy_project(tmp_path / "project", TINY), tmp_path / "store"
    target = "results/digits/whole/ipcall/seed0/accuracy/convnet.csv"
    stored = ("--default-storage-provider", "fs", "--default-storage-prefix", str(store), "--shared-fs-usage", "none")
    said = run(project, target, *stored)
    assert "localrule prepare_dataset" in said
    assert len(load_table(store / target)) == TINY["evaluation"]["networks"]
    assert not (project / "results").exists()
    assert (store / "logs/digits/whole/ipcall/seed0/accuracy/convnet.log").read_text().endswith("done\n")
    copy = copy_project(tmp_path / "another", TINY)
    assert "Nothing to be done" in run(copy, target, *stored, "--rerun-triggers", "mtime")
