"""Unpacking downloaded archives without trusting them."""

import gzip
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from seqmatch.errors import SeqmatchError

LARGEST = 2**30
"""Bytes that an archive may unpack to; of those read here, CIFAR's unpack to the most, 0.2 GB."""

MOST_MEMBERS = 1000
"""Files and folders in a tar file; CIFAR's have nine."""

CHUNK = 2**20


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack a compressed tar file of plain files and folders below `folder`.

    Raises:
        SeqmatchError: it is damaged, unpacks to more than `LARGEST` bytes, has more than `MOST_MEMBERS` members, or
            holds a link, a device, or a path that leads out of `folder`.
    """
    with TemporaryFile(dir=folder) as plain:  # first, because tarfile takes a header of any length into memory
        _unzip(archive, plain)
        plain.seek(0)
        try:
            with tarfile.open(fileobj=plain, mode="r:") as opened:
                opened.extractall(folder, members=_harmless(opened, archive), filter="data")
        except tarfile.FilterError as error:
            raise SeqmatchError(f"{archive}: refused: {error}") from None
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise SeqmatchError(f"{archive}: damaged ({error}); delete it and fetch it again") from None


def _harmless(opened: tarfile.TarFile, archive: Path) -> Iterable[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(opened, start=1):
        total += member.size  # of a sparse file: more than it takes in the archive
        if total > LARGEST:
            raise SeqmatchError(f"{archive}: refused: it unpacks to more than {LARGEST:,} bytes")
        if count > MOST_MEMBERS:
            raise SeqmatchError(f"{archive}: refused: it has more than {MOST_MEMBERS:,} members")
        if not (member.isreg() or member.isdir()):
            raise SeqmatchError(f"{archive}: refused: {member.name} is neither a file nor a folder")
        yield member


def unpack_gzip(archive: Path, out: Path) -> None:
    """Unpack one gzip file to `out`.

    Raises:
        SeqmatchError: it is damaged or unpacks to more than `LARGEST` bytes.
    """
    with out.open("wb") as file:
        _unzip(archive, file)


def _unzip(archive: Path, file: BinaryIO) -> None:
    written = 0
    try:
        with gzip.open(archive) as packed:
            while chunk := packed.read(CHUNK):
                written += len(chunk)
                if written > LARGEST:
                    raise SeqmatchError(f"{archive}: refused: it unpacks to more than {LARGEST:,} bytes")
                file.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SeqmatchError(f"{archive}: damaged ({error}); delete it and fetch it again") from None
