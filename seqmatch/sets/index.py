"""The index of distilled sets that come with the package, by name. Imports no torch.

Each is a file that `seqmatch.save` wrote, known by its SHA-256; `tools/add_set.py` adds one.
"""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from seqmatch.config.sections import Count, Name, Whole
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.files.kinds import FileName, Ipc, MeasuredAccuracy, Percent, Text
from seqmatch.files.schema import read_json
from seqmatch.files.store import digest

FOLDER = Path(__file__).parent / "made"
INDEX = FOLDER / "index.json"

ADVICE = "install seqmatch again"


class Accuracy(MeasuredAccuracy):
    """Of a set of the index it is known."""

    mean: Percent


class Entry(BaseModel):
    """A set of the index."""

    model_config = ConfigDict(frozen=True)

    file: FileName
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    dataset: Name
    source: Name
    method: Name
    ipc: Ipc
    subsets: Count
    images: Count
    licence: Text = Field(description="of the real images")
    accuracy: Accuracy
    iterations: Whole = Field(description="of distillation, of the last subset")
    made_with: dict[str, str] = Field(description="versions of packages")


def listed() -> dict[str, Entry]:
    """All sets of the index, by name.

    Raises:
        SeqmatchError: the index is damaged.
    """
    return dict(_read(INDEX))


def path_of(name: str) -> Path:
    """The file of a set of the index, compared with its checksum.

    Raises:
        SeqmatchError: there is no such set, or its file is missing or another one.
    """
    entries = listed()
    if name not in entries:
        raise SeqmatchError(f"{name}: there is no such file, and no set of the index; {allowed(name, entries)}")
    path = INDEX.with_name(entries[name].file)
    found = digest(path)
    if found != entries[name].sha256:
        raise SeqmatchError(f"{path}: not the file that the index tells of (SHA-256 {found}); {ADVICE}")
    return path


@cache
def _read(path: Path) -> dict[str, Entry]:
    return read_json(path, dict[Name, Entry], ADVICE)
