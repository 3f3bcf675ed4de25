"""Faults of a configuration in words: one line for each, with the key, the value and what is allowed."""

import types
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from seqmatch.errors import allowed, quoted

UNUSABLE = "the configuration cannot be used:"
"""How the workflow begins what it says of a faulty configuration."""

SECTION = "expected keys with values below it, or {} for none"
QUOTED = """expected text; put it in quotes (within --config in two kinds of them: "'…'")"""
MESSAGES = {"model_type": SECTION, "dict_type": SECTION, "string_type": QUOTED}
"""Where pydantic's words are not enough: a name such as 2024, no or null is text only in quotes."""


def explain(faults: list[Any], raw: Any, model: type[BaseModel]) -> str:
    """One line for each key at fault; what the branches of a union allow is joined.

    Args:
        faults: as pydantic gives them, of validating `raw` as a `model`.
    """
    lines: dict[str, list[str]] = {}
    for fault in faults:
        path = _keys_of(fault, raw)
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{_printed(part)}" for part in path).lstrip(".")
        if fault["type"] == "extra_forbidden":
            lines[key] = [f"unknown key; {allowed(path[-1], _keys(model, path[:-1]))}"]
        elif fault["type"] == "missing":
            lines[key] = ["missing; this key is needed"]
        else:
            message = MESSAGES.get(fault["type"], fault["msg"])
            lines.setdefault(f"{key or 'configuration'} = {quoted(fault['input'])}", []).append(message)
    return "\n".join(f"{start}: {', or: '.join(messages)}" for start, messages in lines.items())


def _printed(key: str) -> str:
    return key if key.isprintable() else repr(key)


def _keys_of(fault: Any, raw: Any) -> list[str | int]:
    """The keys that lead to a fault in what was read, without pydantic's names for the branches of unions."""
    node, path = raw, []
    for part in fault["loc"]:
        if isinstance(node, dict):  # pydantic names a key that is neither text nor whole as text
            found = [key for key in node if key == part or (not isinstance(key, str | int) and str(key) == part)]
        else:
            found = [part] if isinstance(node, list) and isinstance(part, int) else []
        if found:
            node = node[found[0]]
            path.append(part)
    return [*path, fault["loc"][-1]] if fault["type"] == "missing" else path


def _keys(annotation: Any, path: list[str | int]) -> list[str]:
    """The keys allowed at `path` below a model."""
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]
        while get_origin(annotation) in (Annotated, types.UnionType):
            annotation = get_args(annotation)[0]
    return list(getattr(annotation, "model_fields", ()))
