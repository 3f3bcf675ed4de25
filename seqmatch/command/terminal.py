"""Snakemake's words on a terminal: one line for a job that begins or ends, with how much is done and how long it takes
yet. Its log, and what is no terminal, keep all words."""

import time
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFormatter, LogEvent

from seqmatch.command.status import see, time_left
from seqmatch.planning import asked
from seqmatch.planning.jobs import Plan

SAID_BY_NAME = ("ipc", "seed", "subset", "round", "shard")
"""Wildcards whose values do not speak for themselves."""

SECONDS_BETWEEN = 20.0
"""From one estimate of the time left to the next."""


def shorten(logger: Any, plan: Plan) -> None:
    """Have Snakemake's own handler of terminals write one line per job, if it is what writes there.

    Args:
        logger: Snakemake's.
        plan: of the experiment; the run is the one that was recorded last.
    """
    for handler in logger.handlers:
        if isinstance(handler, ColorizingTextHandler) and handler.is_tty:
            handler.setFormatter(OneLine(handler, plan))


class OneLine(DefaultFormatter):
    """Formats jobs in a line each, and all else as Snakemake does."""

    def __init__(self, handler: ColorizingTextHandler, plan: Plan):
        super().__init__(handler.formatter.quiet, handler.formatter.show_failed_logs)
        self._handler, self._plan = handler, plan
        self._names: dict[int, str] = {}
        self._ended: list[str] = []
        self._left, self._worked_out = "", -SECONDS_BETWEEN

    def format(self, record: Any) -> str:
        self._handler.last_msg_was_job_info = True  # else it leaves a line empty before the next job
        if getattr(record, "event", None) == LogEvent.JOB_STARTED or record.msg == "Select jobs to execute...":
            return ""
        return super().format(record)

    def format_job_info(self, msg: dict[str, Any]) -> str:
        said = [f"{name} {value}" if name in SAID_BY_NAME else value for name, value in msg["wildcards"].items()]
        self._names[msg["jobid"]] = name = " ".join([msg["rule_name"], *said])
        return _at("begins", name)

    def format_job_finished(self, msg: dict[str, Any]) -> str:
        self._ended.append(self._names.pop(msg["job_id"], msg["msg"]))
        return ""

    def format_progress(self, msg: dict[str, Any]) -> str:
        """A line for each job that has ended since."""
        lines, self._ended = [_at("done", name) for name in self._ended], []
        return "\n".join(lines) + f"  ({msg['done']} of {msg['total']}{self._time_left()})"

    def _time_left(self) -> str:
        """Not for every job: of thousands it takes a second to work out."""
        if time.monotonic() - self._worked_out >= SECONDS_BETWEEN:
            run, self._worked_out = asked.read(), time.monotonic()
            self._left = time_left(self._plan, see(self._plan, run)) if run else ""
        return self._left


def _at(word: str, name: str) -> str:
    return f"{time.strftime('%H:%M:%S')}  {word:6}  {name}"
