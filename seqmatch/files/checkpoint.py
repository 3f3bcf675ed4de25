"""Checkpoints of long work: kept outside Snakemake's outputs, found again by what the work is.

A process that is asked to end (SIGTERM, Ctrl-C, a closed terminal) saves at once; one that is killed loses two minutes
at most. What is finished is kept instead of the states, until it is accepted (`files/finished.py`).
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from torch import Tensor

from seqmatch.errors import SeqmatchError
from seqmatch.files import finished
from seqmatch.files.finished import tell
from seqmatch.files.kinds import ANYTHING
from seqmatch.files.schema import Kind
from seqmatch.files.temporary import remove_left
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.runtime import interruption

SECONDS_BETWEEN_SAVES = 120.0
SECONDS_BETWEEN_COPIES = 1.0
"""What is computed since the last copy in memory is lost even when a process ends in order."""
LARGEST_SHARE = 0.05
"""Of the time may go into saving: large states are saved more rarely."""


class State(Protocol):
    """A moment of the work, that nothing changes any more."""

    def tensors(self) -> dict[str, Tensor]: ...


def fingerprint(header: dict[str, Any], code: str) -> str:
    """16 hexadecimal digits that name a piece of work: its provenance, and the digest of the code that it runs."""
    return hashlib.sha256(json.dumps([header, code], sort_keys=True).encode()).hexdigest()[:16]


class Checkpoint:
    """The newest two states of one piece of work; as a context manager, saves the newest when work ends early.

    It saves those of its parts too.

    The fingerprint is the file's name: work with other parameters, inputs or code neither finds nor overwrites it.

    Args:
        seconds_between: time between two saves; 0 saves at every point.
    """

    def __init__(self, folder: Path, name: str, seconds_between: float = SECONDS_BETWEEN_SAVES):
        self.path = folder / f"{name}.safetensors"
        """The newest."""
        self._previous = folder / f"{name}.previous.safetensors"
        self._seconds_between = seconds_between
        self._saved = self._copied = time.monotonic()
        self._cost = 0.0
        self._newest: State | None = None
        self._on_disk = False
        """Whether the newest is saved."""
        self._parts: list[Checkpoint] = []

    def part(self, name: str) -> "Checkpoint":
        """A checkpoint of its own for a part of the same work."""
        part = Checkpoint(self.path.parent, f"{self.path.stem}-{name}", self._seconds_between)
        self._parts.append(part)
        return part

    def of_others(self) -> list[Path]:
        """States beside this one that are of other parameters, inputs or code."""
        beside = set(self.path.parent.glob("*.safetensors")) - set(self.path.parent.glob(finished.KEPT))
        return sorted(path for path in beside if not self._is_own(path))

    def load(self, kind: Callable[[], Kind] = lambda: ANYTHING) -> dict[str, Tensor] | None:
        """The last state saved, None if there is none; a damaged file is reported, and the one before it is taken.

        Args:
            kind: gives what a state of this work holds; another one counts as damaged.

        Raises:
            SeqmatchError: a state is there and cannot be read, for now or for this user.
        """
        for path in (self.path, self._previous):
            if path.exists():
                try:
                    tensors = load_tensors(path, kind())[0]
                except SeqmatchError as error:
                    tell(f"warning: checkpoint not used: {error}")
                except OSError as error:
                    raise SeqmatchError(
                        f"{path}: this saved state cannot be read ({error.strerror or error}) and is left as it is; "
                        "run again when it can be read, or delete it to begin anew"
                    ) from None
                else:
                    tell(f"resumed from {path}")
                    return tensors
        return None

    def reached(self, copy: Callable[[], State]) -> None:
        """A point from which the work can go on.

        Args:
            copy: gives the state of this moment; called before this returns, or not at all.
        """
        interruption.check()
        now = time.monotonic()
        pause = max(self._seconds_between, self._cost / LARGEST_SHARE) if self._seconds_between else 0
        due = now - self._saved >= pause
        if due or self._newest is None or now - self._copied >= SECONDS_BETWEEN_COPIES:
            self._newest, self._copied, self._on_disk = copy(), now, False
        if due:
            self._save()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for checkpoint in (self, *self._parts):
                checkpoint._end()

    def finished(self, outputs: Sequence[Path]) -> bool:
        """Whether the work was finished before, here or in another experiment; outputs that are gone are put back."""
        remove_left(self.path.parent)
        name = self.path.stem
        return finished.restore(outputs, self.path.parent, name) or finished.take(outputs, name)

    def finish(self, outputs: Sequence[Path]) -> None:
        """The work is done: keep its outputs until they are accepted, share experts with other experiments, and delete
        states, those of its parts too."""
        finished.share(outputs, self.path.stem)
        if not finished.keep(outputs, self.path.parent, self.path.stem):
            return
        kept = set(self.path.parent.glob(finished.KEPT))
        for path in {path for path in self.path.parent.glob("*") if self._is_own(path)} - kept:
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            except OSError as error:
                tell(f"warning: not deleted: {error}")

    def _is_own(self, path: Path) -> bool:
        """Also of what a process that was killed half wrote, in a hidden folder."""
        return path.name.removeprefix(".").startswith((f"{self.path.stem}.", f"{self.path.stem}-"))

    def _end(self) -> None:
        """Save the newest state, and say so, once."""
        if self._newest is not None and not self._on_disk:
            self._save()
        if self._newest is not None and self._on_disk:
            tell(f"state saved in {self.path}")
        self._newest = None

    def _save(self) -> None:
        """Replace the last state but one, atomically; where that fails the work goes on."""
        began = time.monotonic()
        try:
            if self.path.exists():
                self.path.replace(self._previous)
            save_tensors(self.path, self._newest.tensors(), {"checkpoint": self.path.stem})
            self._on_disk = True
        except (SeqmatchError, OSError) as error:
            tell(f"warning: no checkpoint was saved: {error}")
        self._saved = time.monotonic()
        self._cost = self._saved - began


class NoCheckpoint(Checkpoint):
    """For short work: nothing is saved, and nothing found."""

    def __init__(self) -> None:
        pass

    def part(self, name: str) -> "NoCheckpoint":
        return self

    def load(self, kind: Callable[[], Kind] = lambda: ANYTHING) -> None:
        return None

    def reached(self, copy: Callable[[], State]) -> None:
        interruption.check()

    def __exit__(self, *error: object) -> None:
        pass
