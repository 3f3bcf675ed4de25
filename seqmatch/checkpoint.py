"""Checkpoints of long work: kept outside Snakemake's outputs, found again by what the work is."""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from seqmatch.store import digest
from seqmatch.tensorfile import load_tensors, save_tensors

SECONDS_BETWEEN = 120.0


def fingerprint(header: dict[str, Any], sources: Iterable[Path]) -> str:
    """16 hexadecimal digits that name a piece of work: its provenance and the sources that it runs."""
    code = [digest(path) for path in sources]
    return hashlib.sha256(json.dumps([header, code], sort_keys=True).encode()).hexdigest()[:16]


class Checkpoint:
    """The newest state of one piece of work.

    The fingerprint is part of the file's name: work with other parameters, inputs or sources neither finds
    nor overwrites it.
    """

    def __init__(self, folder: Path, name: str, seconds_between: float = SECONDS_BETWEEN):
        self.path = folder / f"{name}.safetensors"
        self._seconds_between = seconds_between
        self._saved = time.monotonic()

    def load(self) -> dict[str, Tensor] | None:
        """The last state saved, None if there is none.

        Raises:
            SeqmatchError: the file is damaged.
        """
        return load_tensors(self.path)[0] if self.path.exists() else None

    def due(self) -> bool:
        """Whether enough time has passed since the last save."""
        return time.monotonic() - self._saved >= self._seconds_between

    def save(self, state: dict[str, Tensor]) -> None:
        """Replace the last state, atomically."""
        save_tensors(self.path, state, {"checkpoint": self.path.stem})
        self._saved = time.monotonic()

    def remove(self) -> None:
        """The work is done."""
        self.path.unlink(missing_ok=True)
