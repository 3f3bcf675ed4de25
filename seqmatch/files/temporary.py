"""Folders for what is under way, which say whose they are: those of processes that were killed are removed."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENDING = ".tmp"


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder in `parent` that is gone afterwards, `.{name}.{machine}.{process}.tmp`.

    Those of the same name whose process on this machine has ended go first: it was killed. A folder of another machine
    stays, since nothing tells here whether its process is still there.
    """
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}.{platform.node()}."
    for left in parent.iterdir():
        if left.name.startswith(prefix) and _ended(left.name.removeprefix(prefix).removesuffix(ENDING)):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{prefix}{os.getpid()}{ENDING}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ended(process: str) -> bool:
    """Whether the number is of a process that is no longer there, or of this one, which has no such folder yet."""
    if not process.isdecimal():
        return False
    if int(process) == os.getpid():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        return False
    return False
