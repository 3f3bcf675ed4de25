"""Files that a process holds while it lives: the system lets go of them, however the process ends."""

import time
from contextlib import suppress
from pathlib import Path

TRIES = 20
SECONDS_BETWEEN_TRIES = 0.01
"""Whoever asks `is_held` holds the file too, for a moment."""


def hold(descriptor: int) -> None:
    """Hold an open file until this process has ended; where the system, or the file system, cannot, nothing happens."""
    with suppress(ImportError, OSError):
        import fcntl

        for _ in range(TRIES):
            with suppress(BlockingIOError):
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(SECONDS_BETWEEN_TRIES)


def is_held(path: Path) -> bool | None:
    """Whether a process holds this file; None where the system does not say, or there is no such file to read."""
    with suppress(ImportError, OSError), path.open("rb") as file:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
    return None
