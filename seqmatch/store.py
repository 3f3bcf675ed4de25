"""Files written whole or not at all, and their provenance. Imports neither torch nor pandas.

Tensors are in safetensors with their provenance as JSON in the file's own header; nothing is ever unpickled. A
table is plain CSV with its provenance in a JSON file of the same name beside it, so that any reader of CSV can
open it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from seqmatch.errors import SeqmatchError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RECORDED_VERSIONS = ("seqmatch", "torch", "numpy", "scikit-learn")


def provenance(parameters: dict[str, Any], inputs: Sequence[Path] = (), device: str = "cpu") -> dict[str, Any]:
    """What a file was made from: resolved parameters, inputs by SHA-256, versions, device.

    Times and memory are left to Snakemake's benchmark files, so that equal runs write equal bytes.
    """
    return {
        "parameters": parameters,
        "inputs": {str(path): digest(path) for path in inputs},
        "versions": {name: _version(name) for name in RECORDED_VERSIONS},
        "device": device,
    }


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_tensors(path: Path, framework: str = "pt") -> Iterator[Any]:
    """A memory-mapped tensor file, for reading by slices as torch tensors, or as arrays of another framework.

    Raises:
        SeqmatchError: the file is missing, damaged, or not one of ours.
    """
    try:
        opened = safetensors.safe_open(path, framework=framework)
    except FileNotFoundError:
        raise SeqmatchError(f"{path}: there is no such file") from None
    except (OSError, safetensors.SafetensorError) as error:
        raise SeqmatchError(
            f"{path}: cannot be read as a tensor file ({error}); if the workflow made it, delete it and run again"
        ) from None
    with opened as file:
        if "seqmatch" not in (file.metadata() or {}):
            raise SeqmatchError(f"{path}: not a file that seqmatch wrote; it has no provenance header")
        yield file


def header_of(file: Any) -> dict[str, Any]:
    """The JSON header of an open tensor file."""
    return json.loads(file.metadata()["seqmatch"])


def load_header(path: Path) -> dict[str, Any]:
    """The header of a tensor file.

    Raises:
        SeqmatchError: the file is missing, damaged, or not one of ours.
    """
    with open_tensors(path, "np") as file:
        return header_of(file)


def load_arrays(path: Path) -> tuple[dict[str, "np.ndarray"], dict[str, Any]]:
    """All tensors of a file as NumPy arrays, and its header.

    Raises:
        SeqmatchError: the file is missing, damaged, or not one of ours.
    """
    with open_tensors(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, header_of(file)  # noqa: SIM118


def save_table(path: Path, table: "pd.DataFrame", header: dict[str, Any]) -> None:
    """Write a table as CSV and its header as JSON beside it (the same name, ending in .json)."""
    save_text(path.with_suffix(".json"), json.dumps(header, indent=2, sort_keys=True) + "\n")
    save_text(path, table.to_csv(index=False, lineterminator="\n"))


def save_text(path: Path, text: str) -> None:
    """Write a text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
