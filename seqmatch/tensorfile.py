"""Tensor files as torch reads and writes them; the format is `seqmatch.store`'s."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from seqmatch.store import header_of, open_tensors, replacing


def save_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write named tensors and a JSON header, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata={"seqmatch": json.dumps(header, sort_keys=True)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors of a file and its header.

    Raises:
        SeqmatchError: the file is missing, damaged, or not one of ours.
    """
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, header_of(file)  # noqa: SIM118
