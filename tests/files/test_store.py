import json
import os
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.tiny import ROOT
from safetensors.torch import save_file

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import SUBSET
from seqmatch.files.store import load_arrays, load_header, load_table, provenance, replacing, save_table, save_text
from seqmatch.files.tensors import load_tensors, save_tensors


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


WRITE = """
import resource, signal, sys, torch
from pathlib import Path
from seqmatch.files.tensors import save_tensors
from seqmatch.errors import SeqmatchError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_tensors(Path(sys.argv[1]), {"a": torch.ones(1000)}, {})
except (OSError, SeqmatchError) as error:
    print(error)
"""


def test_a_write_that_fails_leaves_the_old_tensors(tmp_path):
    path = tmp_path / "file.safetensors"
    save_tensors(path, {"a": torch.zeros(2)}, {})
    result = subprocess.run([sys.executable, "-c", WRITE, path], capture_output=True, text=True, cwd=ROOT)
    assert "file.safetensors: cannot be written" in result.stdout and not result.stderr
    assert torch.equal(load_tensors(path)[0]["a"], torch.zeros(2))
    assert list(tmp_path.iterdir()) == [path]


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


KILLED = """
import os, signal, sys
from pathlib import Path
from seqmatch.files.store import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_as_it_writes_leaves_the_old_file_and_what_the_next_one_clears_away(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    (tmp_path / ".other.txt.1.tmp").touch()
    subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 3
    save_text(path, "new")
    assert path.read_text() == "new"
    assert sorted(each.name for each in tmp_path.iterdir()) == [".other.txt.1.tmp", "file.txt"]


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
