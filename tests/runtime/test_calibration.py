"""How large chunks are is measured once per machine, and is the same for whoever asks later."""

import json

import pytest
import torch

from seqmatch.errors import SeqmatchError
from seqmatch.runtime import calibration
from seqmatch.runtime.budget import chunk_size
from seqmatch.runtime.calibration import CHOICES, OTHERWISE, chunk_bytes, measure, smallest

LARGE = 2**40
"""Bytes of more than any choice holds."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for what is kept, where measuring takes no time and is counted."""
    monkeypatch.delenv("SEQMATCH_CHUNK_MB")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    def measured(sizes):
        asked.append(sizes)
        return dict.fromkeys(sizes, 1.0) | {2**26: 0.9}

    monkeypatch.setattr(calibration, "measure", measured)
    calibration._measured_once.cache_clear()
    yield tmp_path, asked
    calibration._measured_once.cache_clear()


def another_process():
    calibration._measured_once.cache_clear()


def test_it_is_measured_once_and_kept_for_other_processes(cache):
    folder, asked = cache
    assert chunk_bytes(LARGE) == 2**26
    another_process()
    assert chunk_bytes(LARGE) == 2**26
    assert asked == [CHOICES]
    (file,) = (folder / "seqmatch").iterdir()
    kept = json.loads(file.read_text("utf-8"))
    assert kept["torch"] == torch.__version__
    assert kept["chunk_bytes"] == 2**26
    assert kept["threads"] == torch.get_num_threads()


def test_work_that_fits_the_smallest_chunk_measures_nothing(cache):
    _, asked = cache
    assert chunk_size(64, [2**14], torch.device("cpu")) == 64
    assert not asked
    assert chunk_size(65, [2**14], torch.device("cpu")) == 65
    assert asked


def test_the_first_of_two_processes_decides(cache, monkeypatch):
    folder, _ = cache

    def overtaken(sizes):
        monkeypatch.setattr(calibration, "measure", lambda sizes: dict.fromkeys(sizes, 1.0))
        another_process()
        assert chunk_bytes(LARGE) == 2**22
        return {size: 1.0 / size for size in sizes}

    monkeypatch.setattr(calibration, "measure", overtaken)
    assert chunk_bytes(LARGE) == 2**22
    assert len(list((folder / "seqmatch").iterdir())) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"chunk_bytes": 5}', '{"chunk_bytes": null}', "[]"])
def test_a_file_that_is_not_ours_is_measured_anew(cache, text):
    folder, asked = cache
    chunk_bytes(LARGE)
    (file,) = (folder / "seqmatch").iterdir()
    file.write_text(text, "utf-8")
    another_process()
    assert chunk_bytes(LARGE) == 2**26
    assert len(asked) == 2
    another_process()
    assert chunk_bytes(LARGE) == 2**26
    assert len(asked) == 2


def test_where_nothing_can_be_kept_every_run_makes_the_same_choice(cache, monkeypatch):
    folder, asked = cache
    (folder / "seqmatch").write_text("a file where the folder should be", "utf-8")
    assert chunk_bytes(LARGE) == OTHERWISE
    assert not asked


def test_a_file_system_without_links_keeps_it_too(cache, monkeypatch):
    def refuse(*arguments):
        raise PermissionError

    monkeypatch.setattr(calibration.os, "link", refuse)
    assert chunk_bytes(LARGE) == 2**26
    another_process()
    assert chunk_bytes(LARGE) == 2**26
    assert len(cache[1]) == 1


@pytest.mark.parametrize(("demanded", "size"), [("4", 2**22), ("0.5", 2**19), ("128", 2**27)])
def test_the_variable_decides(cache, monkeypatch, demanded, size):
    monkeypatch.setenv("SEQMATCH_CHUNK_MB", demanded)
    assert chunk_bytes(1) == size
    assert not cache[1]


@pytest.mark.parametrize("demanded", ["much", "0", "-4", "nan", "inf", "1e-9"])
def test_a_variable_that_is_no_size_is_an_error_that_names_it(monkeypatch, demanded):
    monkeypatch.setenv("SEQMATCH_CHUNK_MB", demanded)
    with pytest.raises(SeqmatchError, match=rf"SEQMATCH_CHUNK_MB={demanded}: expected megabytes"):
        chunk_bytes(LARGE)


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.0}, 1),
        ({1: 1.0, 2: 0.98, 4: 0.975}, 1),
        ({1: 1.0, 2: 0.9, 4: 0.89}, 2),
        ({1: 1.0, 2: 1.2, 4: 0.5}, 4),
        ({1: 1.0, 2: 1.3, 4: 1.6}, 1),
    ],
)
def test_larger_chunks_must_be_worth_their_memory(seconds, size):
    assert smallest(seconds) == size


def test_measuring_times_every_size_whatever_mode_it_is_called_in():
    with torch.inference_mode():
        seconds = measure((2**19, 2**20))
    assert list(seconds) == [2**19, 2**20]
    assert min(seconds.values()) > 0
