"""Files of configurations, read strictly: a key that stands twice in a mapping is an error, and no later one wins."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from seqmatch.errors import SeqmatchError


def read(path: Path) -> dict[str, Any]:
    """The content of a configuration file.

    Raises:
        SeqmatchError: it cannot be read, is no mapping, or gives a key twice; names the file, and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, ValueError, LookupError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise SeqmatchError(f"{path}: cannot be read as a configuration: {error}") from None
    if not isinstance(content, dict):
        raise SeqmatchError(f"{path}: expected keys with values at the top level")
    faults = [
        f"{path}, line {line}: {key} stands twice in one mapping, first in line {first}; keep one of them"
        for key, line, first in _repeated(root, set())
    ]
    if faults:
        raise SeqmatchError("\n".join(faults))
    return content


def _repeated(node: yaml.Node, seen: set[int]) -> Iterable[tuple[str, int, int]]:
    """Keys that stand twice in one mapping, with their lines; a node that is used by its anchor counts once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if (key.tag, key.value) in lines:
                    yield key.value, line, lines[key.tag, key.value]
                lines.setdefault((key.tag, key.value), line)
            yield from _repeated(value, seen)
