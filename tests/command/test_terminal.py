"""What a terminal shows of a run: a line per job, and how long it takes yet."""

import io
import logging
import re

from helpers.snakemake import TINY
from snakemake.logging import ColorizingTextHandler, DefaultFormatter, LogEvent

from seqmatch import config
from seqmatch.command import terminal
from seqmatch.planning.jobs import Plan

WILDCARDS = {"dataset": "digits", "method": "mtt", "ipc": "3", "seed": "0"}
LISTS = {name: [] for name in ("input", "output", "log")}
OTHERS = {"rule_msg": None, "reason": "new", "benchmark": None, "priority": 0, "threads": 1, "resources": {}}
JOB = LISTS | OTHERS | {"jobid": 7, "rule_name": "distill_subset", "local": True, "is_checkpoint": False}


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


def told(on_terminal):
    """What is written of a job that begins and ends, beside other messages."""
    stream, logger = Stream(on_terminal), logging.Logger("snakemake")
    logger.addHandler(ColorizingTextHandler(nocolor=True, stream=stream, formatter=DefaultFormatter()))
    terminal.shorten(logger, Plan(config.load(TINY)))
    logger.info("Select jobs to execute...")
    logger.info("Execute 1 jobs...", extra={"event": LogEvent.JOB_STARTED, "jobs": [7]})
    logger.info(None, extra=JOB | {"event": LogEvent.JOB_INFO, "wildcards": WILDCARDS})
    logger.warning("a warning")
    logger.info("Finished jobid: 7", extra={"event": LogEvent.JOB_FINISHED, "job_id": 7})
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 17})
    return re.sub(r"\d\d:\d\d:\d\d", "12:00:00", stream.getvalue())


def test_a_job_is_a_line_when_it_begins_and_a_line_when_it_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no run was recorded
    assert told(on_terminal=True).splitlines() == [
        "12:00:00  begins  distill_subset digits mtt ipc 3 seed 0",
        "a warning",
        "12:00:00  done    distill_subset digits mtt ipc 3 seed 0  (1 of 17)",
    ]
    monkeypatch.setattr(terminal.asked, "read", lambda: "a run")
    monkeypatch.setattr(terminal, "see", lambda plan, run: [])
    monkeypatch.setattr(terminal, "time_left", lambda plan, found: "; about 3 min left")
    assert told(on_terminal=True).endswith("seed 0  (1 of 17; about 3 min left)\n")


def test_what_is_no_terminal_gets_all_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "rule distill_subset:" in told(on_terminal=False)
