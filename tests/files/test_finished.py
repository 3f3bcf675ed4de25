"""What is finished can be put back until it is accepted; what would be lost in the end is found at the start."""

import errno
import os
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from seqmatch.errors import SeqmatchError
from seqmatch.files import finished
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.store import load_table, save_table
from seqmatch.files.tensors import load_tensors, save_tensors


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


TENSORS, SCORES = Path("results/subset1.safetensors"), Path("results/scores1.csv")
OUTPUTS = [TENSORS, SCORES]
KEPT = finished.folder_of(TENSORS, Path("checkpoints"))


def test_checkpoints_stay_in_their_folder():
    places = [Path("../a/b.csv"), Path("/a/b.csv"), Path("a/b.csv")]
    assert {finished.folder_of(path, Path("c")) for path in places} == {Path("c/a/b")}


def write(number):
    save_tensors(TENSORS, {"a": torch.tensor([number])}, {})
    save_table(SCORES, pd.DataFrame({"a": [number]}), {})


def found():
    return int(load_tensors(TENSORS)[0]["a"]), int(load_table(SCORES)["a"][0])


def work(name="work"):
    return Checkpoint(KEPT, name)


def delete():
    for path in TENSORS.parent.iterdir():
        path.unlink()


def kept():
    return list(Path("checkpoints").rglob("*.*"))


def no_link(*arguments, **options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("links", [True, False])
def test_finished_work_that_is_deleted_comes_back_until_it_is_accepted(links, monkeypatch, capsys):
    if not links:
        monkeypatch.setattr(os, "link", no_link)
    write(3)
    work().finish(OUTPUTS)
    assert (TENSORS.stat().st_nlink == 2) == links  # no room is taken where the file system has links
    assert not work().finished(OUTPUTS)  # nothing is lost: who runs it again wants it made again
    for _ in range(2):
        delete()
        assert not work("other").finished(OUTPUTS)
        assert work().finished(OUTPUTS) and found() == (3, 3)
    assert f"was finished before: {TENSORS}, {SCORES}" in capsys.readouterr().err
    assert work("other").of_others() == []
    finished.accept([SCORES, Path("another.csv"), TENSORS], Path("checkpoints"))
    assert not kept() and found() == (3, 3)


def test_newly_finished_work_takes_the_place_of_what_was_kept():
    for number, name in enumerate(("before", "now")):
        write(number)
        work(name).finish(OUTPUTS)
    delete()
    assert not work("before").finished(OUTPUTS)
    assert work("now").finished(OUTPUTS) and found() == (1, 1)


@pytest.mark.parametrize("damaged", [".safetensors", ".csv"])
def test_what_was_damaged_since_is_not_put_back(damaged, capsys):
    write(3)
    work().finish(OUTPUTS)
    delete()
    (path,) = (path for path in kept() if path.suffix == damaged)
    path.write_bytes(path.read_bytes()[:-1])
    assert not work().finished(OUTPUTS) and not TENSORS.exists()
    assert "warning: what was finished before is not used" in capsys.readouterr().err


def test_a_workflow_that_ends_well_keeps_only_what_was_lost():
    write(3)
    work().finish(OUTPUTS)
    save_table(Path("results/lost.csv"), pd.DataFrame({"a": [1]}), {})
    lost = [Path("results/lost.csv")]
    Checkpoint(finished.folder_of(*lost, Path("checkpoints")), "lost").finish(lost)
    lost[0].unlink()
    finished.accept_all(Path("checkpoints"))
    assert {path.parent.name for path in kept()} == {"lost"}
    finished.accept_all(Path("nowhere"))


def test_work_that_cannot_be_kept_ends_well_and_its_states_stay(capsys):
    write(3)
    work()
    KEPT.parent.mkdir(parents=True)
    KEPT.touch()
    work().finish(OUTPUTS)
    assert "warning: what is finished was not kept" in capsys.readouterr().err and found() == (3, 3)


def test_an_input_from_the_future_is_an_error_that_says_what_to_do():
    TENSORS.parent.mkdir()
    for path in (Path("an input.csv"), Path("other.csv")):
        path.touch()
    os.utime("an input.csv", (time.time() + 4000,) * 2)
    with pytest.raises(SeqmatchError, match=r"an input\.csv: its time.*ahead of the clock.*run: touch 'an input\.csv'"):
        finished.check([Path("an input.csv"), Path("other.csv")], [TENSORS])
    os.utime("an input.csv")
    finished.check([Path("an input.csv"), Path("missing.csv")], [TENSORS])
    assert not list(TENSORS.parent.iterdir())


def test_an_input_that_is_ahead_a_little_is_waited_for(monkeypatch, capsys):
    Path("input.csv").touch()
    os.utime("input.csv", (time.time() + 50,) * 2)
    slept = []
    monkeypatch.setattr(finished.time, "sleep", slept.append)
    finished.check([Path("input.csv")], [TENSORS])
    assert 45 < slept[0] < 51 and "waiting for the clock" in capsys.readouterr().err


def test_outputs_that_cannot_be_written_are_found_at_the_start(monkeypatch):
    TENSORS.mkdir(parents=True)
    with pytest.raises(SeqmatchError, match=r"subset1\.safetensors: is a folder, a device or a pipe"):
        finished.check([], [TENSORS])
    SCORES.with_suffix(".json").mkdir()
    with pytest.raises(SeqmatchError, match=r"scores1\.json: is a folder, a device or a pipe"):
        finished.check([], [SCORES])

    def read_only(path, *arguments, mkdir=Path.mkdir, **options):
        if path.suffix == ".tmp":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(OSError, match=r"Read-only file system: 'results/other\.csv'"):
        finished.check([], [Path("results/other.csv")])


def test_a_folder_that_machines_share_is_named_by_the_environment(monkeypatch):
    monkeypatch.delenv("SEQMATCH_CHECKPOINTS", raising=False)
    assert finished.checkpoints() == Path("checkpoints")
    monkeypatch.setenv("SEQMATCH_CHECKPOINTS", "/volume")
    assert finished.checkpoints() == Path("/volume")


EXPERTS = Path("results/digits/experts/convnet/shard0.safetensors")


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The folder that experiments share, and a second experiment's."""
    monkeypatch.setenv("SEQMATCH_SHARED", str(tmp_path / "shared"))
    (tmp_path / "second").mkdir()
    return tmp_path / "shared"


def trained(name="work"):
    """The work that makes experts, in the working folder."""
    return Checkpoint(finished.folder_of(EXPERTS, Path("checkpoints")), name)


def test_experts_of_another_experiment_are_taken_where_the_work_is_the_same(shared, monkeypatch, capsys):
    save_tensors(EXPERTS, {"a": torch.tensor([3])}, {})
    trained().finish([EXPERTS])
    (kept,) = (path for path in shared.rglob("*") if path.is_file())
    assert kept == shared / "digits/experts/convnet/shard0.work.safetensors" and kept.samefile(EXPERTS)
    first, before = EXPERTS.absolute(), EXPERTS.stat().st_mtime_ns
    monkeypatch.chdir("second")
    assert not trained("other").finished([EXPERTS])
    began = time.time_ns()
    assert trained().finished([EXPERTS]) and int(load_tensors(EXPERTS)[0]["a"]) == 3
    assert "was finished in another experiment" in capsys.readouterr().err
    assert EXPERTS.is_symlink() and EXPERTS.lstat().st_mtime_ns >= began - 10**8 and first.stat().st_mtime_ns == before
    assert not trained().finished([EXPERTS])  # who runs it again wants it made again
    EXPERTS.unlink()
    first.unlink()
    assert trained().finished([EXPERTS])  # the first experiment may go


def test_nothing_but_experts_is_shared(shared):
    write(3)
    work().finish(OUTPUTS)
    assert not shared.exists()


def test_damaged_experts_of_another_experiment_are_told_of_and_not_taken(shared, capsys):
    save_tensors(EXPERTS, {"a": torch.tensor([3])}, {})
    trained().finish([EXPERTS])
    (kept,) = shared.rglob("*.safetensors")
    EXPERTS.unlink()
    finished.accept([EXPERTS], Path("checkpoints"))
    kept.write_bytes(kept.read_bytes()[:-1])
    assert not trained().finished([EXPERTS]) and not EXPERTS.exists()
    said = capsys.readouterr().err
    assert "warning: what another experiment made is not used" in said and str(kept) in said


def test_a_link_that_leads_nowhere_is_replaced(shared):
    EXPERTS.parent.mkdir(parents=True)
    EXPERTS.symlink_to(shared / "gone")
    assert not trained().finished([EXPERTS])
    save_tensors(EXPERTS, {"a": torch.tensor([3])}, {})
    assert not EXPERTS.is_symlink()


def test_the_shared_folder_is_the_same_wherever_an_experiment_runs(monkeypatch):
    monkeypatch.setenv("SEQMATCH_SHARED", "shared")
    with pytest.raises(SeqmatchError, match="SEQMATCH_SHARED = shared: expected an absolute path"):
        trained().finished([EXPERTS])


def test_what_cannot_be_shared_ends_no_work(shared, capsys):
    shared.touch()
    save_tensors(EXPERTS, {"a": torch.tensor([3])}, {})
    trained().finish([EXPERTS])
    assert f"warning: {EXPERTS} is not shared with other experiments" in capsys.readouterr().err
