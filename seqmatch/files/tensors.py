"""Tensor files as torch reads and writes them; the format is `seqmatch.files.store`'s."""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from seqmatch.files.kinds import ANYTHING
from seqmatch.files.schema import Dimensions, Kind
from seqmatch.files.store import load_arrays, replacing, seal


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write named tensors and a JSON header, atomically.

    Raises:
        SeqmatchError: at `path` is something else than a file.
        OSError: the file cannot be written; what was there before is still there.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        seal(header, lambda text: save_file(contiguous, temporary, metadata={"seqmatch": text}), temporary)


def load_tensors(
    path: Path, kind: Kind = ANYTHING, known: Dimensions | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and its header; of `ANYTHING` all.

    Args:
        known: sizes that it must have, because it is used with something else.

    Raises:
        SeqmatchError: the file is missing, damaged, not one of ours, or not of this kind.
    """
    return load_arrays(path, kind, known, "pt")
