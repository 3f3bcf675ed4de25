"""Unpacking downloaded archives without trusting them."""

import gzip
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from seqmatch.errors import SeqmatchError

LARGEST = 4 * 2**30
"""Bytes that an archive may unpack to."""

PIECE = 2**20


def unpack_tar(archive: Path, folder: Path, largest: int = LARGEST) -> None:
    """Unpack a compressed tar file of plain files and folders below `folder`.

    Raises:
        SeqmatchError: it is damaged, unpacks to more than `largest` bytes, or holds a link, a device, or a path that
            leads out of `folder`.
    """
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, members=_harmless(opened, archive, largest), filter="data")
    except tarfile.FilterError as error:
        raise SeqmatchError(f"{archive}: refused: {error}") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SeqmatchError(f"{archive}: damaged ({error}); delete it and fetch it again") from None


def _harmless(opened: tarfile.TarFile, archive: Path, largest: int) -> Iterable[tarfile.TarInfo]:
    total = 0
    for member in opened:
        total += member.size
        if total > largest:
            raise SeqmatchError(f"{archive}: refused: it unpacks to more than {largest:,} bytes")
        if not (member.isreg() or member.isdir()):
            raise SeqmatchError(f"{archive}: refused: {member.name} is neither a file nor a folder")
        yield member


def unpack_gzip(archive: Path, out: Path, largest: int = LARGEST) -> None:
    """Unpack one gzip file to `out`.

    Raises:
        SeqmatchError: it is damaged or unpacks to more than `largest` bytes.
    """
    written = 0
    try:
        with gzip.open(archive) as packed, out.open("wb") as file:
            while piece := packed.read(PIECE):
                written += len(piece)
                if written > largest:
                    raise SeqmatchError(f"{archive}: refused: it unpacks to more than {largest:,} bytes")
                file.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SeqmatchError(f"{archive}: damaged ({error}); delete it and fetch it again") from None
