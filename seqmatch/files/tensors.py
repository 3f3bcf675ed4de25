"""Tensor files as torch reads and writes them; the format is `seqmatch.files.store`'s."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from seqmatch.files.store import header_of, open_tensors, replacing, seal


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write named tensors and a JSON header, atomically.

    Raises:
        SeqmatchError: at `path` is something else than a file.
        OSError: the file cannot be written; what was there before is still there.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        seal(header, lambda text: save_file(contiguous, temporary, metadata={"seqmatch": text}), temporary)


def load_tensors(path: Path, needed: Iterable[str] = ()) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors of a file and its header.

    Raises:
        SeqmatchError: the file is missing, damaged, not one of ours, or without a tensor that is `needed`.
    """
    with open_tensors(path, needed=needed) as file:
        return {name: file.get_tensor(name) for name in sorted(file.keys())}, header_of(file)
