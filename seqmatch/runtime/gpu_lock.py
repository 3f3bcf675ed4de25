"""One GPU for each process on a machine: a lock file per GPU, freed by the system however the process ends."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS_BETWEEN_TRIES = 1.0

_held: list[int] = []
"""File descriptors of locks, open as long as the process lives."""


def visible(count: int) -> list[str]:
    """Names of the `count` GPUs that PyTorch sees, as CUDA_VISIBLE_DEVICES has them, or their numbers."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [name.strip() for name in listed[:count]] if listed != [""] else [str(index) for index in range(count)]


def claim(gpus: Sequence[str], folder: Path | None = None) -> int:
    """Index of a GPU in `gpus` that no other process holds, and hold it; waits while all are held.

    Args:
        folder: of the lock files; by default one of this user's in the machine's temporary folder.

    Raises:
        OSError: the lock files cannot be written.
    """
    import fcntl  # here, for systems without it that have no use for this

    folder = folder or Path(tempfile.gettempdir()) / f"seqmatch-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    waiting = False
    while True:
        for index, gpu in enumerate(gpus):
            path = folder / f"{gpu.replace('/', '-')}.lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                _held.append(lock)
                return index
        if not waiting:
            print(f"waiting for a free GPU among {', '.join(gpus)}", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)
