"""Fetching the published files of a source: checksums, mirrors, retries with growing pauses."""

import errno
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch
from requests import RequestException

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import FetchedFiles
from seqmatch.files.schema import read_json
from seqmatch.files.store import digest, replacing
from seqmatch.files.temporary import temporary_folder

ATTEMPTS = 4
"""Of each URL, with pauses of 1, 2 and 3 seconds between them."""

TIMEOUT = 30
"""Seconds without an answer."""

OF_THIS_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
"""Errors of the system that no other place to fetch from helps against."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a data set as its authors publish it."""

    name: str
    md5: str
    urls: tuple[str, ...]
    """In the order in which they are tried."""


def fetch(files: Sequence[PublishedFile], folder: Path, places: Sequence[str] = ()) -> dict[str, str]:
    """Have `files` in `folder`; SHA-256 by name.

    A file that is there with the right checksum stays. The others come from `places`, folders on this machine or URLs
    of folders, then from where they are published; a file gets its name only when it is complete and its checksum
    fits. A file from a folder of the user's own may differ from the published one (compressed anew, say); a note says
    so.

    Raises:
        SeqmatchError: a file cannot be had; says what to download, the checksum, and where to put it.
    """
    return {file.name: digest(_fetch(file, folder, places)) for file in files}


def complete(files: Sequence[PublishedFile], folder: Path) -> None:
    """Have `files` in a folder of the user's own: what is there is used as it is, the others are fetched.

    Raises:
        SeqmatchError: as `fetch`.
    """
    there = [file for file in files if (folder / file.name).is_file()]
    for file in there:
        _note(folder / file.name, file)
    fetch([file for file in files if file not in there], folder)


def check(listed: Path) -> None:
    """Compare the files that `fetch` once fetched with their checksums, as `listed` in a JSON file beside them.

    Raises:
        SeqmatchError: names the file that is missing or damaged.
    """
    advice = f"delete {listed} and run again"
    known = read_json(listed, FetchedFiles, advice)
    try:
        damaged = [name for name, known_digest in known.items() if digest(listed.with_name(name)) != known_digest]
    except SeqmatchError as error:
        raise SeqmatchError(f"{error}; {advice}") from None
    if damaged:
        raise SeqmatchError(f"{listed.with_name(damaged[0])}: damaged since it was fetched (checksum); {advice}")


def unreadable(files: Sequence[PublishedFile], folder: Path, error: Exception) -> SeqmatchError:
    """What to say where the content of fetched files cannot be read: to delete those alone that nobody published."""
    others = [str(folder / file.name) for file in files if _md5(folder / file.name) != file.md5]
    advice = f"not as published (checksum): delete {', '.join(others)} and fetch again, from another place than before"
    if not others:
        advice = "they are as published (checksum): keep them; is there enough memory, and are all packages installed?"
    return SeqmatchError(f"{', '.join(file.name for file in files)} in {folder}: cannot be read ({error}); {advice}")


def _fetch(file: PublishedFile, folder: Path, places: Sequence[str]) -> Path:
    target = folder / file.name
    if target.is_file() and _md5(target) == file.md5:
        return target
    tried = []
    for place in (*places, *file.urls):
        url = place if place in file.urls else f"{place.rstrip('/')}/{file.name}"
        try:
            return _download(url, file, folder) if "://" in url else _copy(Path(url), file, target)
        except (RequestException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in OF_THIS_MACHINE:
                raise
            tried.append(f"  {url}: {' '.join(str(error).split())[:300]}")
    raise SeqmatchError(
        f"{file.name} could not be fetched. Download it elsewhere (MD5 {file.md5}) and put it at {target}; or name a "
        "folder that has it: in an experiment in `data.mirrors`, where URLs may stand too, for the command `seqmatch` "
        "with --data, in Python with `folder`. Tried:\n" + "\n".join(tried)
    )


def _download(url: str, file: PublishedFile, folder: Path) -> Path:
    """Retries on broken connections and on wrong checksums; what arrives lands in a folder of its own first."""
    with temporary_folder(folder, "arriving") as arriving:
        downloads = pooch.create(
            path=arriving,
            base_url="",
            registry={file.name: f"md5:{file.md5}"},
            urls={file.name: url},
            retry_if_failed=ATTEMPTS - 1,
        )
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
        arrived = Path(downloads.fetch(file.name, downloader=downloader))
        with replacing(folder / file.name) as temporary:  # with permissions as the umask has them: pooch's are its own
            arrived.replace(temporary)
    return folder / file.name


def _copy(source: Path, file: PublishedFile, target: Path) -> Path:
    _note(source, file)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def _note(path: Path, file: PublishedFile) -> None:
    """Say it where the user's file is another one than is published."""
    found = _md5(path)
    if found != file.md5:
        print(f"note: {path} is not the published file (MD5 {found}, not {file.md5}); used as it is", file=sys.stderr)


def _md5(path: Path) -> str:
    return pooch.file_hash(str(path), alg="md5")
