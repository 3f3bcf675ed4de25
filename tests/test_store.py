import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from seqmatch.errors import SeqmatchError
from seqmatch.store import load_arrays, provenance, replacing, save_table
from seqmatch.tensorfile import load_tensors, save_tensors


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


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_file_that_cannot_be_used_is_named(tmp_path, damage):
    path = tmp_path / "file.safetensors"
    if damage == "truncated":
        save_tensors(path, {"a": torch.ones(100)}, {})
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "foreign":
        save_file({"a": torch.ones(1)}, path)
    with pytest.raises(SeqmatchError, match=r"file\.safetensors"):
        load_tensors(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "data.safetensors"
    save_tensors(path, {"images": torch.ones(1)}, {})
    with pytest.raises(SeqmatchError, match=r"data\.safetensors.*no labels, step_size"):
        load_tensors(path, ("images", "labels", "step_size"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


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
