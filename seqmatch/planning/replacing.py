"""What a run is about to replace, and whose it is. Imports no torch.

An experiment is named like its file. `results/experiments.txt` has the names of those that ran in the folder.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import save_text
from seqmatch.planning.jobs import COMPUTING_RULES, RULES

RECORD = Path("results/experiments.txt")
GUIDE = "docs/guide/experiments.md#experiments-side-by-side"


def name_of(files: Iterable[Path | str]) -> str:
    """The name of the experiment in these files, which are laid over one another."""
    return "+".join(Path(file).stem for file in files)


def begin(name: str, jobs: Iterable[tuple[str, Collection[str]]]) -> str:
    """Record that the experiment `name` runs here, and say which finished results its jobs make anew.

    Where it runs alone, of those that take time; else also of tables and figures.

    Args:
        jobs: rules, and the files that their jobs will make.

    Returns:
        A line; empty if nothing is to be said.

    Raises:
        SeqmatchError: results would be replaced that take time, and may be another experiment's.
    """
    again = Counter(rule for rule, files in jobs if all(Path(file).exists() for file in files))
    long = {rule: count for rule, count in again.items() if rule in COMPUTING_RULES}
    before = RECORD.read_text("utf-8", "replace").splitlines() if RECORD.is_file() else []
    others = ", ".join(other for other in before if other != name)
    elsewhere = f"run {name} in a folder of its own, --directory experiments/{name}"
    if long and others:
        raise SeqmatchError(
            f"{name} would replace finished results in {RECORD.parent.resolve()}: {_listed(long)}. Another experiment "
            f"ran there, {others}: {elsewhere}; or, to have them replaced, delete {RECORD} and run again: {GUIDE}"
        )
    if name not in before:
        save_text(RECORD, "".join(f"{each}\n" for each in (*before, name)))
    if long:
        return (
            f"finished results are made anew, since settings, code or inputs have changed: {_listed(long)}. To keep "
            f"both, stop now and give the variant a name of its own, or another folder (--directory): {GUIDE}"
        )
    if again and others:
        return (
            f"tables and figures are made anew, as those of {name}: {_listed(again)}. Another experiment ran here, "
            f"{others}. To keep both, stop now and {elsewhere}: {GUIDE}"
        )
    return ""


def _listed(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{counts[rule]} of {rule}" for rule in RULES if rule in counts)
