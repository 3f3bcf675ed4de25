"""A job's files before it begins, and after it has ended: what is finished is kept until it is accepted.

Snakemake may delete an output that is complete: its time is older than an input's, another machine does not see it yet.
The fingerprint of the work then finds it again. Kept files are hard links, which take no room while the output stands.
Accepted is what another job reads, and what stands when the whole workflow has ended well. Experts can be shared with
other experiments, by the fingerprint of their work, in a folder that SEQMATCH_SHARED names. Imports no torch.
"""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import check_replaceable, load_header, load_table, named, replacing
from seqmatch.files.temporary import temporary_folder

LONGEST_WAIT = 60.0
"""Seconds that an input may lie ahead of the clock."""

KEPT = "[!.]*.finished.*"


def check(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Find at the start of a job what would lose its work in the end; waits for an input that lies ahead a little.

    Raises:
        SeqmatchError: an output is no file, or an input's time lies ahead of the time that outputs would get.
        OSError: an output cannot be written.
    """
    now = time.time()
    for output in _with_headers(outputs):
        check_replaceable(output)
        with named(output), temporary_folder(output.parent, output.name) as folder:
            now = folder.stat().st_mtime  # by the clock of whoever keeps the files
    ahead = {path: path.lstat().st_mtime - now for path in inputs if path.exists()}
    latest = max(ahead, key=ahead.get, default=None)
    if latest is None or ahead[latest] <= 0:
        return
    if ahead[latest] > LONGEST_WAIT:
        touch = "touch -h" if latest.is_symlink() else "touch"
        raise SeqmatchError(
            f"{latest}: its time, {_clock(now + ahead[latest])}, lies ahead of the clock, {_clock(now)}; Snakemake "
            f"would delete what is made of it as too old. Set the clock, or run: {touch} {shlex.quote(str(latest))}"
        )
    tell(f"waiting for the clock, which {latest} is ahead of by {ahead[latest]:.0f} s")
    time.sleep(ahead[latest])


def checkpoints() -> Path:
    """The folder of what is saved on the way: `checkpoints`, or the one that SEQMATCH_CHECKPOINTS names, for machines
    that share no other."""
    return Path(os.environ.get("SEQMATCH_CHECKPOINTS") or "checkpoints")


def folder_of(output: Path, checkpoints: Path) -> Path:
    """Where the checkpoints of the job are that makes `output`: below `checkpoints`, wherever that lies."""
    named = output.with_suffix("")
    return checkpoints.joinpath(*(part for part in named.parts if part not in (named.anchor, "..")))


def keep(outputs: Sequence[Path], folder: Path, name: str) -> bool:
    """Keep the outputs of the work `name`, in place of those of other work; a warning and False where it fails."""
    try:
        remove(folder)
        for output, kept in _pairs(outputs, folder, name):
            _link(output, kept)
    except (SeqmatchError, OSError) as error:
        tell(f"warning: what is finished was not kept in {folder} too: {error}")
        return False
    return True


def restore(outputs: Sequence[Path], folder: Path, name: str) -> bool:
    """Put outputs of the work `name` back that are gone; False if there are none to put back, or damaged ones.

    Raises:
        OSError: they cannot be read, or not be put back.
    """
    pairs = _pairs(outputs, folder, name)
    if all(output.exists() for output, _ in pairs) or not all(kept.exists() for _, kept in pairs):
        return False
    try:
        for kept in (kept for _, kept in pairs if kept.suffix != ".json"):
            load_table(kept) if kept.suffix == ".csv" else load_header(kept)
    except SeqmatchError as error:
        tell(f"warning: what was finished before is not used: {error}")
        return False
    for output, kept in pairs:
        _link(kept, output)
        output.touch()
    tell(f"was finished before: {', '.join(map(str, outputs))}, taken from {folder}")
    return True


def share(outputs: Sequence[Path], name: str) -> None:
    """Give experts, which the work `name` made, to other experiments; a warning where it fails."""
    for output in outputs:
        shared = _shared(output, name)
        if shared is not None and not shared.exists():
            try:
                _link(output, shared)
            except (SeqmatchError, OSError) as error:
                tell(f"warning: {output} is not shared with other experiments: {error}")


def take(outputs: Sequence[Path], name: str) -> bool:
    """Whether other experiments gave what the work `name` makes: then links to it are put where the outputs belong.

    Hard links would not do: their time, which Snakemake compares, is that of the other experiment's file.

    Raises:
        SeqmatchError: SEQMATCH_SHARED is no absolute path.
        OSError: the links cannot be made.
    """
    pairs = [(output, _shared(output, name)) for output in outputs]
    if not all(shared and shared.is_file() and not output.exists() for output, shared in pairs):
        return False
    try:
        for _, shared in pairs:
            load_header(shared)
    except (SeqmatchError, OSError) as error:
        tell(f"warning: what another experiment made is not used: {error}")
        return False
    for output, shared in pairs:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)  # a link that leads nowhere
        output.symlink_to(shared)
        tell(f"was finished in another experiment: {output}, now a link to {shared}")
    return True


def _shared(output: Path, name: str) -> Path | None:
    """Where an output of the work `name` lies for all experiments; None where no place is named, and for other files
    than experts, which their folder tells."""
    place = Path(os.environ.get("SEQMATCH_SHARED", ""))
    if place == Path() or output.parent.parent.name != "experts":
        return None
    if not place.is_absolute():
        raise SeqmatchError(f"SEQMATCH_SHARED = {place}: expected an absolute path, the same for every experiment")
    return place.joinpath(*output.absolute().parts[-4:-1], f"{output.stem}.{name}{output.suffix}")


def accept(inputs: Iterable[Path], checkpoints: Path) -> None:
    """These files are read, so they were accepted: keep nothing of them any more."""
    for path in inputs:
        remove(folder_of(path, checkpoints))


def accept_all(checkpoints: Path) -> None:
    """A workflow has ended well: keep nothing of the outputs that stand."""
    for folder in {kept.parent for kept in checkpoints.rglob(KEPT)}:
        output = folder.relative_to(checkpoints)
        if all(Path(f"{output}{kept.suffix}").exists() for kept in folder.glob("[!.]*.finished.0.*")):
            remove(folder)


def remove(folder: Path) -> None:
    """Delete what is kept in a folder; a warning where it cannot be deleted."""
    for path in folder.glob(KEPT):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            tell(f"warning: not deleted: {error}")


def _pairs(outputs: Sequence[Path], folder: Path, name: str) -> list[tuple[Path, Path]]:
    """Each output, and where it is kept."""
    kept = [folder / f"{name}.finished.{number}{output.suffix}" for number, output in enumerate(outputs)]
    return list(zip(_with_headers(outputs), _with_headers(kept), strict=True))


def _with_headers(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, and those of the headers beside tables."""
    for path in paths:
        yield path
        if path.suffix == ".csv":
            yield path.with_suffix(".json")


def _link(source: Path, target: Path) -> None:
    """Another name for a file; a copy where the file system has no such thing."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(source, target)
    except OSError:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def tell(line: str) -> None:
    """A line in the log, at once."""
    print(line, file=sys.stderr, flush=True)
