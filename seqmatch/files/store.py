"""Files written whole or not at all, with a checksum, and their provenance. Imports neither torch nor pandas.

Tensors are in safetensors with their provenance as JSON in the file's own header; nothing is ever unpickled. A
table is plain CSV with its provenance in a JSON file of the same name beside it, so that any reader of CSV can
open it. Readers compare the checksum, so that damage is an error and never a number.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from seqmatch.errors import SeqmatchError
from seqmatch.files import csv_text, schema
from seqmatch.files.kinds import ANYTHING, TableHeader
from seqmatch.files.schema import Dimensions, Kind, Layout, Row
from seqmatch.files.temporary import temporary_folder

if TYPE_CHECKING:
    import pandas as pd

UNSEALED = "0" * 64
CHECKSUM = re.compile(rb'\\"checksum\\": \\"([0-9a-f]{64})\\"')
"""In the header of a tensor file, where the provenance is JSON within JSON."""

RECORDED_VERSIONS = ("seqmatch", "torch", "numpy", "scikit-learn")


def provenance(parameters: dict[str, Any], inputs: Sequence[Path] = (), device: str = "cpu") -> dict[str, Any]:
    """What a file was made from: resolved parameters, inputs by SHA-256, versions, device.

    Times and memory are left to Snakemake's benchmark files, so that equal runs write equal bytes.

    Raises:
        SeqmatchError: an input is missing.
    """
    return {
        "parameters": parameters,
        "inputs": {str(path): digest(path) for path in inputs},
        "versions": {name: version_of(name) for name in RECORDED_VERSIONS},
        "device": device,
    }


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits.

    Raises:
        SeqmatchError: it is missing.
        OSError: it cannot be read.
    """
    try:
        with named(path), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise SeqmatchError(f"{path}: there is no such file") from None


def seal(header: dict[str, Any], write: Callable[[str], None], path: Path) -> None:
    """Have a tensor file written with `header` in its metadata, then put the checksum of the whole into its place.

    Args:
        write: writes the file, given the header as JSON.
        path: the file.
    """
    write(json.dumps(header | {"checksum": UNSEALED}, sort_keys=True))
    position, _, computed = _checksum(path)
    with path.open("r+b") as file:
        file.seek(position)
        file.write(computed.encode())


def _checksum(path: Path) -> tuple[int, str, str]:
    """Where a tensor file's checksum stands, what it says, and what it should say.

    It is the SHA-256 of the file with zeros in the place of the checksum.

    Raises:
        ValueError: there is none.
    """
    with path.open("rb") as file:
        size = file.read(8)
        length = int.from_bytes(size, "little")
        if length > schema.LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        head = file.read(length)
        place = CHECKSUM.search(head)
        if place is None:
            raise ValueError("no checksum")
        hashed = hashlib.sha256(size + head[: place.start(1)] + UNSEALED.encode() + head[place.end(1) :])
        while chunk := file.read(2**20):
            hashed.update(chunk)
    return 8 + place.start(1), place[1].decode(), hashed.hexdigest()


@contextmanager
def open_tensors(
    path: Path, kind: Kind = ANYTHING, known: Dimensions | None = None, framework: str = "pt"
) -> Iterator[tuple[Any, Layout]]:
    """A memory-mapped tensor file, for reading by slices as torch tensors, or as arrays of another framework.

    It is read once in passing, for its checksum. Names, types and shapes are those of its kind; of the numbers nothing
    is known.

    Args:
        known: sizes that it must have, because it is used with something else.

    Raises:
        SeqmatchError: the file is missing, damaged, not one of ours, or of another kind.
        OSError: it cannot be read.
    """
    try:
        with named(path):
            _, found, computed = _checksum(path)
            if found != computed:
                raise ValueError("its checksum does not fit")
            opened = safetensors.safe_open(path, framework=framework)
    except FileNotFoundError:
        if path.exists():  # safetensors says so, whatever the system said
            raise OSError(f"{path}: cannot be opened; too many files may be open") from None
        raise SeqmatchError(f"{path}: there is no such file") from None
    except (ValueError, safetensors.SafetensorError) as error:
        raise _damaged(path, error) from None
    with opened as file:
        yield file, schema.layout(path, file, kind, _header_of(path, file), known)


def _header_of(path: Path, file: Any) -> Any:
    """What JSON in the header of an open tensor file says."""
    try:
        return schema.parse_json((file.metadata() or {})["seqmatch"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"its header: {error}") from None


def _damaged(path: Path, reason: object) -> SeqmatchError:
    return SeqmatchError(
        f"{path}: damaged, or not a tensor file that seqmatch wrote ({reason}); "
        "if the workflow made it, delete it and run again"
    )


def load_header(path: Path, kind: Kind = ANYTHING) -> dict[str, Any]:
    """The header of a tensor file.

    Raises:
        SeqmatchError: as `open_tensors`.
    """
    with open_tensors(path, kind, framework="np") as (_, layout):
        return header_in(layout)


def header_in(layout: Layout) -> dict[str, Any]:
    """The header as plain values, without the checksum."""
    return layout.header.model_dump(exclude={"checksum"}, exclude_unset=True)


def load_arrays(
    path: Path, kind: Kind = ANYTHING, known: Dimensions | None = None, framework: str = "np"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of a file as NumPy arrays, or as another framework has them, and its header; of `ANYTHING` all.

    Raises:
        SeqmatchError: as `open_tensors`, or a number is not finite or out of range.
    """
    with open_tensors(path, kind, known, framework) as (file, layout):
        names = sorted(file.keys()) if kind is ANYTHING else layout.arrays
        try:
            tensors = {name: file.get_tensor(name) for name in names}
        except (TypeError, AttributeError, KeyError) as error:  # of a type that the framework does not have
            raise _damaged(path, error) from None
    schema.check_values(path, kind, layout, tensors)
    return tensors, header_in(layout)


def save_table(path: Path, table: "pd.DataFrame", header: dict[str, Any]) -> None:
    """Write a table as CSV and its header as JSON beside it (the same name, ending in .json).

    A process that is killed as it writes leaves a table that can be read, the old one or the new one: while the two
    files are replaced one after the other, the new header fits the old table too.
    """
    check_replaceable(path)
    text, beside, replaced = csv_text.to_csv(table), path.with_suffix(".json"), {}
    header = header | {
        "checksum": hashlib.sha256(text.encode()).hexdigest(),
        "text": csv_text.text_columns(table),
    }
    with suppress(OSError, SeqmatchError):
        load_table(path)
        replaced = {"replaces": digest(path)}
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        _save_json(beside, header | replaced)
    if replaced:
        _save_json(beside, header)


def load_table(path: Path, row: type[Row] | None = None) -> "pd.DataFrame":
    """Read a table that `save_table` wrote; what was text, such as a name "2024" or "nan", is text again.

    Args:
        row: what each of its rows must be, where that is known.

    Raises:
        SeqmatchError: it is missing, is not what was written, or has other columns or values.
        OSError: it cannot be read.
    """
    beside = _beside(path)
    try:
        with named(path):
            content, header = path.read_bytes(), load_table_header(path)
    except FileNotFoundError as error:
        also = "" if error.filename == str(path) else f"; {path} needs the .json that was written beside it"
        raise SeqmatchError(f"{error.filename}: there is no such file{also}") from None
    if hashlib.sha256(content).hexdigest() not in (header["checksum"], header.get("replaces")):
        raise SeqmatchError(
            f"{path}: damaged, or edited by hand: it does not fit the checksum in {beside}; delete both and run again"
        )
    try:
        table = csv_text.from_csv(content, header["text"])
    except (ValueError, TypeError) as error:
        raise SeqmatchError(f"{path}: not a table that seqmatch wrote ({error})") from None
    if row is not None:
        schema.check_table(path, table, row)
    return table


def load_tables(paths: Sequence[Path], row: type[Row]) -> "pd.DataFrame":
    """Tables with such rows, one below the other.

    Raises:
        SeqmatchError: as `load_table`, or two of them have rows of the same.
    """
    import pandas as pd

    whole = pd.concat([load_table(path, row) for path in paths], ignore_index=True)
    schema.check_distinct(f"{paths[0]} and the tables after it", whole, row)
    return whole


def load_table_header(path: Path) -> dict[str, Any]:
    """The provenance beside a table.

    Raises:
        SeqmatchError: it is not what is written there.
        FileNotFoundError: it is missing.
    """
    return schema.read_json(_beside(path), TableHeader, f"delete it and {path} and run again").model_dump()


def _beside(path: Path) -> Path:
    if not path.name:
        raise SeqmatchError(f"{path}: not a table, but a folder")
    return path.with_suffix(".json")


def save_text(path: Path, text: str) -> None:
    """Write a text file, atomically."""
    save_bytes(path, text.encode(errors="backslashreplace"))


def save_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _save_json(path: Path, content: dict[str, Any]) -> None:
    save_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the name `path` once it is complete and on the disk.

    Raises:
        SeqmatchError: at `path` is something else than a file.
        OSError: the file cannot be written; it is named, and what was there before is still there.
    """
    check_replaceable(path)
    with named(path), temporary_folder(path.parent, path.name) as folder:
        temporary = folder / path.name
        temporary.touch()
        permissions = temporary.stat().st_mode  # as the umask has it; a library that writes may set its own
        yield temporary
        temporary.chmod(permissions)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def check_replaceable(path: Path) -> None:
    """Whether a file may be written at `path`: over another one, or where nothing is.

    Raises:
        SeqmatchError: it is a folder, a device or a pipe, which would be destroyed.
    """
    if path.exists() and not path.is_file():
        raise SeqmatchError(f"{path}: is a folder, a device or a pipe, and is left alone; name a file to write")


def check_writable(path: Path) -> None:
    """Whether `replacing` can write at `path`, before work that ends there.

    Raises:
        SeqmatchError, OSError: as `replacing`.
    """
    check_replaceable(path)
    with named(path), temporary_folder(path.parent, path.name):
        pass


@contextmanager
def named(path: Path) -> Iterator[None]:
    """System errors within name `path` where they name no file, or a temporary one for it.

    Raises:
        OSError: also instead of safetensors' error about one.
    """
    try:
        yield
    except safetensors.SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
    except OSError as error:
        ours = error.filename is None or str(error.filename).startswith(str(path.parent / f".{path.name}."))
        if not ours or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def version_of(package: str) -> str:
    """Of an installed package; "not installed", as of seqmatch itself in a clone that is only on the path."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
