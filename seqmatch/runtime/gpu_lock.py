"""One GPU for each process on a machine: a lock file per GPU, freed by the system however the process ends."""

import glob
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from seqmatch.errors import SeqmatchError

SECONDS_BETWEEN_TRIES = 1.0

_held: list[int] = []
"""File descriptors of locks, open as long as the process lives."""


def claim(gpus: Sequence[str]) -> int:
    """Index of a GPU in `gpus` that no other process holds, and hold it; waits while all are held.

    Args:
        gpus: what they are called by every process of the machine, such as their UUIDs.

    Raises:
        SeqmatchError: there is no folder for lock files that is this user's alone.
        OSError: the lock files cannot be written.
    """
    folder, waiting = private_folder(), False
    while True:
        for index, gpu in enumerate(gpus):
            lock = _lock(folder / f"seqmatch-gpu-{gpu.replace('/', '-')}.lock")
            if lock is not None:
                _held.append(lock)
                return index
        if not waiting:
            print(f"waiting for a free GPU among {', '.join(gpus)}", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def private_folder() -> Path:
    """This user's runtime folder, or one in the machine's temporary folder that nobody else can write into.

    Raises:
        SeqmatchError: that one is another user's, or others may write there.
    """
    user = os.getuid()
    for place in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"):
        if place and os.path.isabs(place) and _is_private(Path(place)):
            return Path(place)
    folder = Path(tempfile.gettempdir()) / f"seqmatch-gpus-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder):
        raise SeqmatchError(
            f"{folder}: not a folder that you alone can write into, so that others could hold your GPUs; set "
            "XDG_RUNTIME_DIR to one that is, the same for all your jobs"
        )
    return folder


def _is_private(folder: Path) -> bool:
    """Whether it is this user's, and others cannot write into it."""
    with suppress(OSError):
        status = folder.lstat()
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        return own and not others and os.access(folder, os.W_OK | os.X_OK)
    return False


def _lock(path: Path) -> int | None:
    """A descriptor of the lock file, held; None if another process holds it, or one that was deleted since."""
    import fcntl  # here, for systems without it that have no use for this

    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        identity = _identity(os.fstat(lock))
        if path.exists() and _identity(path.stat()) == identity and {identity}.issuperset(_opened(path.name)):
            return lock
    os.close(lock)
    return None


def _opened(name: str) -> Iterator[tuple[int, int]]:
    """The files of this name that processes of this user have open, deleted ones too, where the system tells."""
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):  # it is closed by now
            if os.readlink(link).removesuffix(" (deleted)").endswith(f"/{name}"):
                yield _identity(os.stat(link))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
