import io
import re
import time

from seqmatch.runtime import progress
from seqmatch.runtime.progress import Progress


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
