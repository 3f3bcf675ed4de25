import errno
import json
import os
import platform
import resource
import signal
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
import torch
from matplotlib.figure import Figure
from safetensors.torch import save_file

from seqmatch.errors import SeqmatchError
from seqmatch.files import store
from seqmatch.files.kinds import SUBSET
from seqmatch.files.store import (
    digest,
    load_arrays,
    load_header,
    load_table,
    provenance,
    replacing,
    save_table,
    save_text,
)
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.report.figures import style


def test_tensors_and_header_come_back(tmp_path):
    path = tmp_path / "deep" / "file.safetensors"
    tensors = {"a": torch.arange(6).view(2, 3).T, "b": torch.tensor(0.1, dtype=torch.float64)}
    save_tensors(path, tensors, {"names": ["é"]})
    loaded, header = load_tensors(path)
    assert torch.equal(loaded["a"], tensors["a"]) and torch.equal(loaded["b"], tensors["b"])
    assert header == {"names": ["é"]}
    arrays, same = load_arrays(path)
    assert np.array_equal(arrays["a"], tensors["a"].numpy()) and same == header


def test_equal_contents_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        save_tensors(tmp_path / name, {"b": torch.ones(3), "a": torch.zeros(2)}, {"y": 1, "x": 2})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SeqmatchError, match=r"file\.safetensors: there is no such file"):
        load_tensors(tmp_path / "file.safetensors")


def test_a_foreign_file_is_named(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(SeqmatchError, match=r"file\.safetensors: damaged, or not a tensor file that seqmatch wrote"):
        load_tensors(path)


@pytest.mark.parametrize("reader", [load_tensors, load_arrays, load_header])
def test_any_damage_is_an_error_that_says_what_to_do(tmp_path, reader):
    """Every tenth byte flipped in one bit, and cuts of every length."""
    path = tmp_path / "file.safetensors"
    save_tensors(path, {"a": torch.arange(9.0), "b": torch.arange(3)}, {"parameters": {"checksum": "0" * 64}})
    whole = path.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(0, len(whole), 10)]
    cut = [whole[:at] for at in range(0, len(whole), 25)]
    for damaged in flipped + cut + [whole + b"0"]:
        path.write_bytes(damaged)
        with pytest.raises(SeqmatchError, match=r"file\.safetensors: damaged.*delete it and run again"):
            reader(path)
    path.write_bytes(whole)
    reader(path)


def test_permissions_are_those_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        save_tensors(tmp_path / "tensors", {"a": torch.ones(2)}, {})
        save_text(tmp_path / "text", "a")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o640, 0o640]


def test_a_table_comes_back_unless_it_was_changed(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame({"ipc": ["1"], "b": [0.1]})
    save_table(path, table, {})
    pd.testing.assert_frame_equal(load_table(path), table)
    for change in (b"ipc,b\n1,0.2\n", b"ipc,b\n"):
        path.write_bytes(change)
        with pytest.raises(SeqmatchError, match=r"t\.csv: damaged, or edited by hand.*delete both and run again"):
            load_table(path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(SeqmatchError, match=r"t\.json: damaged"):
        load_table(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(SeqmatchError, match=r"t\.json: there is no such file"):
        load_table(path)


def draw(path):
    figure = Figure()
    figure.subplots().plot(range(9))
    style.save(figure, [path])


WRITERS = {
    "file.safetensors": lambda path: save_tensors(path, {"a": torch.arange(5000.0)}, {}),
    "table.csv": lambda path: save_table(path, pd.DataFrame({"a": range(5000)}), {}),
    "text.txt": lambda path: save_text(path, "word " * 5000),
    "figure.png": draw,
    "figure.pdf": draw,
}


@contextmanager
def files_of_at_most(size):
    """No larger files in this process, as on a disk that is nearly full."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def no_rename(path, target):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path), None, str(target))


@pytest.mark.parametrize(
    ("name", "when"),
    [(name, "it writes") for name in WRITERS] + [("table.csv", "it renames"), ("text.txt", "it renames")],
)
def test_a_disk_that_is_full_leaves_the_old_file_and_is_an_error_that_names_it(tmp_path, monkeypatch, name, when):
    path, write = tmp_path / name, WRITERS[name]
    write(path)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(OSError) as caught:
        if when == "it writes":
            with files_of_at_most(1000):
                write(path)
        else:
            monkeypatch.setattr(Path, "replace", no_rename)
            write(path)
    named = caught.value.filename
    assert named == str(path) or (path.suffix == ".csv" and named == str(path.with_suffix(".json")))
    assert caught.value.filename2 is None and caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("replaced", range(1, 4))
def test_a_table_that_is_being_replaced_is_the_old_one_or_the_new_one_at_every_moment(tmp_path, monkeypatch, replaced):
    path, rename, calls = tmp_path / "t.csv", Path.replace, []

    def killed(source, target):
        calls.append(target)
        if len(calls) == replaced:
            raise KeyboardInterrupt
        return rename(source, target)

    save_table(path, pd.DataFrame({"a": [1]}), {})
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_table(path, pd.DataFrame({"a": [2]}), {})
    assert load_table(path)["a"].tolist() == [2 if replaced == 3 else 1]
    monkeypatch.setattr(Path, "replace", rename)
    save_table(path, pd.DataFrame({"a": [3]}), {})
    assert load_table(path)["a"].tolist() == [3] and "replaces" not in path.with_suffix(".json").read_text()


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a pipe"])
@pytest.mark.parametrize("name", ["file.safetensors", "table.csv", "figure.png"])
def test_only_a_file_is_replaced(tmp_path, kind, name):
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe") if kind == "link to a pipe" else os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(SeqmatchError, match=rf"{name}: is a folder, a device or a pipe, and is left alone"):
        WRITERS[name](path)
    assert path.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE, errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize("where", ["opening", "reading", "safetensors"])
def test_a_system_error_is_reported_as_it_is_and_nobody_is_told_to_delete(tmp_path, monkeypatch, number, where):
    tensors, table = tmp_path / "file.safetensors", tmp_path / "table.csv"
    for path in (tensors, table):
        WRITERS[path.name](path)

    def fails(self, *arguments, **options):
        if where == "safetensors":
            raise safetensors.SafetensorError(f"I/O error: {os.strerror(number)} (os error {number})")
        raise OSError(number, os.strerror(number), *([str(self)] if where == "opening" else []))

    if where == "safetensors":
        monkeypatch.setattr(store.safetensors, "safe_open", fails)
        readers = [(load_tensors, tensors), (load_arrays, tensors)]
    else:
        monkeypatch.setattr(Path, "open", fails)
        monkeypatch.setattr(Path, "read_bytes", fails)
        readers = [(load_tensors, tensors), (load_header, tensors), (digest, tensors), (load_table, table)]
    for reader, path in readers:
        with pytest.raises(OSError) as caught:
            reader(path)
        assert caught.value.errno == number and str(path) in str(caught.value) and "delete" not in str(caught.value)


def test_too_many_open_files_are_not_a_missing_file(tmp_path, monkeypatch):
    path = tmp_path / "file.safetensors"
    WRITERS[path.name](path)

    def fails(path, framework):
        raise FileNotFoundError(f"No such file or directory: {path}")  # what safetensors says of any failure

    monkeypatch.setattr(store.safetensors, "safe_open", fails)
    with pytest.raises(OSError, match="cannot be opened; too many files may be open"):
        load_tensors(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "data.safetensors"
    save_tensors(path, {"images": torch.ones(1)}, {})
    with pytest.raises(SeqmatchError, match=r"data\.safetensors: another kind of file.*subset; it has no .*labels"):
        load_tensors(path, SUBSET)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def killed_as_it_writes(path):
    """A process that was killed in the middle; a library had a temporary file of its own."""
    process = os.fork()
    if process == 0:
        with suppress(BaseException), replacing(path) as temporary:
            temporary.write_text("half")
            temporary.with_name(".tmpX1").write_text("half")
            os._exit(0)
        os._exit(1)
    assert os.waitpid(process, 0)[1] == 0


def test_a_process_killed_as_it_writes_leaves_the_old_file_and_what_the_next_one_clears_away_first(tmp_path):
    path, other = tmp_path / "file.txt", tmp_path / "other.txt"
    path.write_text("old")
    killed_as_it_writes(path)
    killed_as_it_writes(other)
    assert path.read_text() == "old" and len(list(tmp_path.rglob(".tmpX1"))) == 2
    with pytest.raises(RuntimeError), replacing(path):
        assert len(list(tmp_path.rglob(".tmpX1"))) == 1  # before anything is written
        raise RuntimeError
    save_text(path, "new")
    assert path.read_text() == "new"
    left = [each.name for each in tmp_path.iterdir() if each != path]
    assert len(left) == 1 and left[0].startswith(".other.txt.")


def test_what_another_process_may_still_write_is_left_alone(tmp_path):
    path = tmp_path / "file.txt"
    alive = tmp_path / f".file.txt.{platform.node()}.{os.getppid()}.tmp"
    elsewhere, old = tmp_path / ".file.txt.elsewhere.1.tmp", tmp_path / ".file.txt.7.tmp"
    for folder in (alive, elsewhere):
        folder.mkdir()
    old.touch()
    os.utime(old, (time.time() - 1e5,) * 2)
    save_text(path, "new")
    assert set(tmp_path.iterdir()) == {path, alive, elsewhere}


def test_a_table_is_plain_csv_with_its_provenance_beside_it(tmp_path):
    source = tmp_path / "input.bin"
    source.write_bytes(b"abc")
    save_table(tmp_path / "t.csv", pd.DataFrame({"a": [1], "b": ["x"]}), provenance({"k": 1}, [source]))
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,x\n"
    header = json.loads((tmp_path / "t.json").read_text())
    assert header["parameters"] == {"k": 1}
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert header["inputs"] == {str(source): sha256_of_abc}
    assert header["versions"]["torch"] == torch.__version__.split("+")[0]
