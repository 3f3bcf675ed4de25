import errno
import io
import os
import re
import time

import pytest

from seqmatch.runtime import progress
from seqmatch.runtime.progress import BestEffort, Progress


def test_a_log_gets_whole_lines_with_rate_time_left_and_memory(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    with Progress(total=4, unit="it", desc="distill") as bar:
        for _ in range(2):
            bar.set_postfix(loss="0.5", refresh=False)
            bar.update()
    lines = log.getvalue().splitlines()
    assert all(line.startswith("distill: ") for line in lines) and "\r" not in log.getvalue()
    assert re.search(r"50%.* 2/4 \[\d+:\d+<\d+:\d+, .*it/s, loss=0\.5, peak \d+\.\d\d GiB\]", lines[-1])


def test_the_first_step_that_is_done_is_shown_at_once(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    with Progress(total=9, initial=3, desc="distill") as bar:
        assert "3/9" in log.getvalue() and "4/9" not in log.getvalue()
        bar.update(0)
        assert "4/9" not in log.getvalue()
        for _ in range(3):
            bar.update()
        assert "4/9" in log.getvalue() and "5/9" not in log.getvalue()


def test_a_step_that_takes_long_is_no_silence(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    monkeypatch.setattr(progress, "SECONDS_OF_SILENCE", 0.05)
    with Progress(total=4, desc="distill"):
        time.sleep(0.5)
    ended = len(log.getvalue().splitlines())
    assert ended >= 4
    time.sleep(0.2)
    assert len(log.getvalue().splitlines()) == ended


class Full(io.StringIO):
    """A log on a disk that is full, or a terminal that is gone."""

    number = errno.ENOSPC

    def write(self, *text):
        raise OSError(self.number, os.strerror(self.number))

    flush = fileno = write


class Terminal(Full):
    number = errno.EIO

    def isatty(self):
        return True


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Full(), Terminal(), closed(), None], ids=["full", "terminal", "closed", "none"])
def test_work_goes_on_where_its_progress_cannot_be_shown(monkeypatch, stream):
    monkeypatch.setattr("sys.stderr", stream)
    done = 0
    with Progress(total=3, desc="distill") as bar:
        for _ in range(3):
            bar.set_postfix(loss="0.5", refresh=True)
            bar.update()
            done += 1
    assert done == 3
    BestEffort(stream).flush()
    print("note", file=BestEffort(stream), flush=True)


def test_work_goes_on_where_no_thread_can_be_started_and_memory_is_not_told(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)

    def fails(*arguments, **options):
        raise RuntimeError("can't start new thread")

    def too_many(*arguments, **options):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(progress.Thread, "start", fails)
    monkeypatch.setattr(progress.Path, "read_text", too_many)
    with Progress(total=1, desc="distill") as bar:
        bar.update()
    assert "1/1" in log.getvalue() and "peak" in log.getvalue()
