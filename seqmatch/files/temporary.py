"""Folders for what is under way, which say whose they are: those of processes that were killed are removed."""

import errno
import glob
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS_ABANDONED = 86400.0
"""After which what another machine does not write any more is taken for left behind."""


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder in `parent` that is gone afterwards, `.{name}.{machine}.{process}.tmp`.

    Those of the same name that were left behind go first.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent)) from None
    remove_left(parent, name)
    folder = parent / f".{name}.{platform.node()}.{os.getpid()}.tmp"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(parent: Path, name: str | None = None) -> None:
    """Remove temporary folders, and files, whose process was killed.

    Args:
        name: those of this name alone.
    """
    for left in parent.glob(f".{'*' if name is None else glob.escape(name)}.*.tmp"):
        with suppress(OSError):  # in the way of nothing
            if _is_left(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_left(temporary: Path) -> bool:
    """Whether its process is dead; for another machine's, whether nothing was written for a day."""
    ours = re.search(rf"\.{re.escape(platform.node())}\.(\d+)\.tmp$", temporary.name)
    if ours is None:
        return time.time() - temporary.stat().st_mtime > SECONDS_ABANDONED
    process = int(ours[1])
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        return False
    return process == os.getpid()  # of an earlier process with the same number
