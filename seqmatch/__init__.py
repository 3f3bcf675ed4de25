"""Sequential Subset Matching for dataset distillation (Du, Shi, Zhou, NeurIPS 2023).

What stands here is loaded when it is used: `load` a distilled set, `train` networks on it, `evaluate` it.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "Distilled": "seqmatch.sets.distilled",
    "load": "seqmatch.sets.distilled",
    "evaluate": "seqmatch.sets.learning",
    "export": "seqmatch.sets.exports",
    "train": "seqmatch.sets.learning",
}

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
