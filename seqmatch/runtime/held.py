"""Files that a process holds while it lives: the system lets go of them, however the process ends."""

from contextlib import suppress
from pathlib import Path


def hold(descriptor: int) -> None:
    """Hold an open file until this process has ended; where the system, or the file system, cannot, nothing happens."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
