"""Sequential Subset Matching for dataset distillation (Du, Shi, Zhou, NeurIPS 2023).

What stands here is loaded when it is used: `load` a distilled set, `train` networks on it, `evaluate` it on its
`test_images`, `save` it in one file; `from_files` makes one of what other programs distilled; `sets` are those that
come with the package.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "Accuracies": "seqmatch.sets.learning",
    "Distilled": "seqmatch.sets.distilled",
    "SeqmatchError": "seqmatch.errors",
    "load": "seqmatch.sets.distilled",
    "evaluate": "seqmatch.sets.learning",
    "export": "seqmatch.sets.exports",
    "from_files": "seqmatch.sets.external",
    "from_tensors": "seqmatch.sets.external",
    "save": "seqmatch.sets.distilled",
    "test_images": "seqmatch.sets.real",
    "train": "seqmatch.sets.learning",
    "training_images": "seqmatch.sets.real",
}

_MODULES = ("config", "sets")

__all__ = sorted(_PLACES)


def __dir__() -> list[str]:
    return [*globals(), *__all__, *_MODULES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("seqmatch.files.store").version_of("seqmatch")
    if name in _MODULES:
        return import_module(f"seqmatch.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
