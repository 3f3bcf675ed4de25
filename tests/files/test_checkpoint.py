import errno
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from seqmatch.errors import SeqmatchError
from seqmatch.files import checkpoint as checkpoints
from seqmatch.files.checkpoint import Checkpoint, fingerprint
from seqmatch.runtime.interruption import SIGNALS, Interrupted, interruptible


@dataclass(frozen=True)
class Count:
    number: int

    def tensors(self):
        return {"number": torch.tensor(self.number)}


def reach(checkpoint, *numbers):
    for number in numbers:
        checkpoint.reached(lambda number=number: Count(number))


def found(checkpoint):
    state = checkpoint.load()
    return None if state is None else int(state["number"])


def test_fingerprints_tell_work_apart():
    first = fingerprint({"parameters": {"k": 1}}, "code")
    assert first == fingerprint({"parameters": {"k": 1}}, "code")
    assert first != fingerprint({"parameters": {"k": 2}}, "code")
    assert first != fingerprint({"parameters": {"k": 1}}, "other code")


def test_a_state_comes_back_and_is_removed_in_the_end(tmp_path):
    assert found(Checkpoint(tmp_path, "work")) is None
    checkpoint = Checkpoint(tmp_path, "work", 0)
    reach(checkpoint, 1, 2, 3)
    assert found(Checkpoint(tmp_path, "work")) == 3
    (tmp_path / ".work-first.safetensors.elsewhere.1.tmp").mkdir()  # of a process that was killed
    reach(checkpoint.part("first"), 7)
    assert found(checkpoint) == 3 and found(checkpoint.part("first")) == 7
    Checkpoint(tmp_path, "work").finish([])
    assert not list(tmp_path.iterdir())


def test_a_damaged_state_is_told_of_and_the_one_before_it_taken(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path, "work", 0)
    reach(checkpoint, 1, 2, 3)
    assert len(list(tmp_path.iterdir())) == 2
    content = bytearray(checkpoint.path.read_bytes())
    content[-1] ^= 1
    checkpoint.path.write_bytes(content)
    assert found(checkpoint) == 2
    assert str(checkpoint.path) in capsys.readouterr().err
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing")
    assert found(checkpoint) is None


def test_other_work_is_neither_taken_nor_touched(tmp_path):
    reach(Checkpoint(tmp_path, "other", 0), 1)
    mine = Checkpoint(tmp_path, "work", 0)
    assert found(mine) is None
    assert mine.of_others() == [tmp_path / "other.safetensors"]
    mine.finish([])
    assert found(Checkpoint(tmp_path, "other")) == 1


def fails(path, *arguments, **options):
    raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_states_that_cannot_be_deleted_end_no_work(tmp_path, monkeypatch, capsys):
    checkpoint = Checkpoint(tmp_path, "work", 0)
    reach(checkpoint, 1)
    monkeypatch.setattr(Path, "unlink", fails)
    checkpoint.finish([])
    assert "warning: not deleted: [Errno 13] Permission denied" in capsys.readouterr().err
    assert found(checkpoint) == 1


def test_a_state_that_cannot_be_read_for_now_is_not_begun_anew(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, "work", 0)
    reach(checkpoint, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "load_tensors", fails)
        with pytest.raises(SeqmatchError, match=r"work\.safetensors: .*cannot be read .*run again when it can be read"):
            checkpoint.load()
    assert found(checkpoint) == 1


def test_parts_of_the_work_are_saved_too_when_it_ends_early_and_each_once(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path, "work", 1000)
    with pytest.raises(ZeroDivisionError), checkpoint:
        with checkpoint.part("first") as part:
            reach(part, 7)
        with checkpoint:
            reach(checkpoint, 3)
            raise ZeroDivisionError
    assert found(checkpoint) == 3 and found(part) == 7
    assert capsys.readouterr().err.count("state saved in") == 2


def test_states_are_saved_when_time_has_passed_and_when_work_ends_early(tmp_path):
    checkpoint = Checkpoint(tmp_path, "work", 1000)
    with pytest.raises(ZeroDivisionError), checkpoint:
        reach(checkpoint, 5)
        assert found(checkpoint) is None
        raise ZeroDivisionError
    assert found(checkpoint) == 5


def test_large_states_are_saved_rarely(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path, "work", 10)

    def slow(*arguments):
        now[0] += 3
        saved.append(now[0])

    saved = []
    monkeypatch.setattr(checkpoints, "save_tensors", slow)
    for _ in range(200):
        now[0] += 1
        reach(checkpoint, 0)
    assert saved[0] == 13 and saved[1] == 13 + 60 + 3  # three seconds are a twentieth of a minute


def test_work_goes_on_where_nothing_can_be_saved(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    checkpoint = Checkpoint(tmp_path / "file", "work", 0)
    reach(checkpoint, 1, 2)
    assert capsys.readouterr().err.count("no checkpoint was saved") == 2


@pytest.fixture
def default_handlers():
    """Whoever runs the tests may have chosen others."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_work_at_once_with_its_state_saved(tmp_path, number):
    checkpoint = Checkpoint(tmp_path, "work", 1000)
    with pytest.raises(Interrupted) as request, interruptible(), checkpoint:
        reach(checkpoint, 4)
        os.kill(os.getpid(), number)
        reach(checkpoint, 5)
    assert found(checkpoint) == 4
    assert request.value.status == 128 + number


@pytest.mark.usefixtures("default_handlers")
def test_a_signal_that_a_callback_swallows_is_raised_again_and_later_ones_wait(tmp_path):
    checkpoint = Checkpoint(tmp_path, "work", 1000)
    with pytest.raises(Interrupted), interruptible(), checkpoint:
        reach(checkpoint, 4)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            os.kill(os.getpid(), signal.SIGTERM)
        reach(checkpoint, 5)
    assert found(checkpoint) == 4
    assert all(signal.getsignal(number) is signal.default_int_handler for number in SIGNALS)


@pytest.mark.usefixtures("default_handlers")
def test_what_a_library_makes_of_a_signal_within_it_is_the_request(tmp_path):
    checkpoint = Checkpoint(tmp_path, "work", 1000)
    with pytest.raises(Interrupted) as request, interruptible(), checkpoint:
        reach(checkpoint, 4)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise RuntimeError("trying to pop from empty mode stack")
    assert found(checkpoint) == 4
    assert request.value.status == 128 + signal.SIGTERM


@pytest.mark.usefixtures("default_handlers")
def test_an_error_without_a_signal_stays_the_error():
    with pytest.raises(RuntimeError, match="pop"), interruptible():
        raise RuntimeError("trying to pop from empty mode stack")


def test_a_signal_that_is_ignored_stays_ignored(default_handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
