"""Loaders against thousands of broken configurations and files: a clear error or a result, never a traceback."""

import contextlib
import copy
import gzip
import re
import shlex

import numpy as np
import pytest
import yaml
from helpers.archives import idx, noise, tiny_zip
from helpers.files import write_all
from helpers.tiny import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqmatch import config
from seqmatch.data import dataset, tiny_imagenet
from seqmatch.data.sources import published_files, read
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import SUBSET
from seqmatch.files.store import load_arrays, load_header
from seqmatch.planning.jobs import Plan
from seqmatch.sets.distilled import load as load_set
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.experts import Trajectories

FUZZ = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}

HOSTILE = ["", " ", "'", '"', "$(touch x)", "`id`", "a b", "a\nb", "; rm x", "../up", "{dataset}", "é", "\0", "-"]
NUMBERS = st.integers(-(10**20), 10**20) | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(HOSTILE)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3))
EXPERIMENT = yaml.safe_load((ROOT / "config.yaml").read_text())


def places(node, path=()):
    """Paths of everything in nested dictionaries and lists."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = list(places(EXPERIMENT))
EDITS = st.tuples(st.sampled_from(PLACES), st.sampled_from(["replace", "delete", "rename", "add"]), VALUES, SCALARS)


def edited(edits):
    """The embedded experiment with values replaced, deleted and added, and keys renamed."""
    raw = copy.deepcopy(EXPERIMENT)
    for path, how, value, key in edits:
        node = raw
        try:
            for part in path[:-1]:
                node = node[part]
            if how == "replace":
                node[path[-1]] = value
            elif how == "delete":
                del node[path[-1]]
            elif how == "rename":
                node[key] = node.pop(path[-1])
            else:
                node[path[-1]][key] = value
        except (KeyError, TypeError, IndexError, AttributeError):
            continue  # an earlier edit took the place away
    return raw


@settings(max_examples=800, **FUZZ)
@given(st.lists(EDITS, min_size=1, max_size=3).map(edited))
def test_a_broken_configuration_is_told_of_in_clear_lines(raw):
    try:
        experiment = config.load(raw)
        jobs = Plan(experiment).jobs
    except SeqmatchError as error:
        lines = str(error).splitlines()
        assert lines and all(lines) and all(len(line) < 1000 for line in lines)
        return
    for run in experiment.runs.values():  # what stands in paths and commands as it is
        experts = [stage.experts for stage in run.stages]
        for word in (run.dataset, run.method, run.architecture, *run.others, *experts, *run.selections):
            assert re.fullmatch(r"[a-z0-9_-]+", word) and shlex.quote(word) == word
    for job in jobs:
        for path in (*job.outputs, job.log, job.benchmark):
            assert re.fullmatch(r"[a-zA-Z0-9_/.-]+", path) and ".." not in path
    assert all(len(line) < 1000 for line in experiment.warnings)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A small file of every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    write_all(folder)
    return folder


def read_experts(path):
    with Trajectories([path]) as pool:
        return pool.parameters(0, 1)


READERS = {
    "data": [dataset.load],
    "subset": [load_subset, lambda path: load_arrays(path, SUBSET)],
    "set": [load_set],
    "snapshots": [load_snapshots],
    "experts": [read_experts],
    "half": [read_experts],
}


MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
    min_size=1,
    max_size=3,
)


def mutated(content, mutations):
    for how, where, new in mutations:
        at = int(where * (len(content) - 1)) if content else 0
        if how == "flip":
            flipped = bytes(old ^ (mask or 1) for old, mask in zip(content[at:], new, strict=False))
            content = content[:at] + flipped + content[at + len(flipped) :]
        elif how == "cut":
            content = content[:at]
        elif how == "insert":
            content = content[:at] + new + content[at:]
        else:
            content = content + content[at:]
    return content


@pytest.mark.parametrize(
    ("unpack", "pack"), [(bytes, bytes), (gzip.decompress, gzip.compress)], ids=["outside", "inside"]
)
def test_a_mutated_gzip_file_is_told_of_or_read(tmp_path, unpack, pack):
    for file in published_files("mnist"):
        array = noise(5, 28, 28) if "images" in file.name else np.arange(5, dtype=np.uint8)
        (tmp_path / file.name).write_bytes(gzip.compress(idx(array)))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    whole = unpack(path.read_bytes())

    @settings(max_examples=200, **FUZZ)
    @given(mutations=MUTATIONS)
    def read_mutated(mutations):
        path.write_bytes(pack(mutated(whole, mutations)))
        with contextlib.suppress(SeqmatchError):
            read(config.Dataset(source="mnist"), tmp_path)

    read_mutated()


def test_a_zip_file_with_another_bit_is_told_of_or_read(tmp_path):
    """Here and there in its contents, and closely in its directory at the end."""
    path = tmp_path / tiny_imagenet.FILE.name
    tiny_zip(path)
    whole = path.read_bytes()
    for at in (*range(0, len(whole), 997), *range(len(whole) - 1200, len(whole), 4)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 7]) + whole[at + 1 :])
        with contextlib.suppress(SeqmatchError):
            read(config.Dataset(source="tiny-imagenet"), tmp_path)


@settings(max_examples=600, **FUZZ)
@given(kind=st.sampled_from(list(READERS)), mutations=MUTATIONS)
def test_a_mutated_file_is_told_of_by_every_reader(kinds, kind, mutations):
    content = (kinds / kind).read_bytes()
    damaged = mutated(content, mutations)
    path = kinds / f"{kind}.mutated"
    path.write_bytes(damaged)
    for reader in [*READERS[kind], load_header]:
        if damaged == content:
            reader(path)
        else:
            with pytest.raises(SeqmatchError, match=r"mutated: .*"):
                reader(path)
