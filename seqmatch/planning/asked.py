"""What a run of the workflow was asked for: written down when it begins, for `seqmatch status`. Imports no torch."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqmatch.planning.jobs import Job
from seqmatch.runtime.held import hold, is_held

RECORD = Path("logs/run.json")


@dataclass(frozen=True)
class Asked:
    """The last run that began in this folder."""

    configfiles: tuple[Path, ...]
    jobs: tuple[Job, ...]
    """All that its targets need, also what was there already."""
    anew: frozenset[str]
    """Logs of those that it was to do."""
    begun: float
    """When, in seconds, by the clock of whoever keeps the files."""
    alive: bool | None
    """Whether its process lives; None where the system does not say."""


def write(configfiles: Iterable[Path], jobs: Iterable[tuple[Job, bool]]) -> None:
    """Write down what a run is asked for, and hold the file while this process lives. Best effort: it ends no run.

    Args:
        jobs: what its targets need, and whether it is to be done.
    """
    record = {
        "configfiles": [os.path.relpath(os.path.realpath(path)) for path in configfiles],  # which move along
        "jobs": [{"rule": job.rule, "wildcards": job.wildcards, "anew": anew} for job, anew in jobs],
    }
    with suppress(OSError):
        RECORD.parent.mkdir(exist_ok=True)
        temporary = RECORD.with_suffix(".new")
        temporary.write_text(json.dumps(record), encoding="utf-8")
        hold(os.open(temporary, os.O_RDWR))  # stays open, and so held, until the process ends
        temporary.replace(RECORD)


def read() -> Asked | None:
    """The last run's record, if there is one that can be read."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        record: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
        jobs = [Job(entry["rule"], entry["wildcards"]) for entry in record["jobs"]]
        return Asked(
            configfiles=tuple(Path(path).resolve() for path in record["configfiles"]),
            jobs=tuple(jobs),
            anew=frozenset(job.log for job, entry in zip(jobs, record["jobs"], strict=True) if entry["anew"]),
            begun=RECORD.stat().st_mtime,
            alive=is_held(RECORD),
        )
    return None
