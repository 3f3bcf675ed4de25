"""Pages that people write, with a part that a command writes anew."""

from pathlib import Path

from seqmatch.errors import SeqmatchError


def around(page: Path, mark: str) -> tuple[str, str]:
    """What stands before and after that part, which lies between two marks.

    Raises:
        OSError: there is no such page.
        SeqmatchError: it has not two of the marks.
    """
    parts = page.read_text(encoding="utf-8").split(mark)
    if len(parts) != 3:
        raise SeqmatchError(f"{page}: expected two lines {mark}, between which the table goes; found {len(parts) - 1}")
    return parts[0], parts[2]
