"""Files of configurations, read strictly: what would be lost, or mean another value than it looks like, is an error.

Snakemake reads them once more by itself, as JSON or else as YAML 1.1: what passes here it reads to the same values.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from seqmatch.errors import SeqmatchError

LARGEST = 100_000
"""Values that a file may stand for, anchors filled in."""

DEEPEST = 50
"""Levels of values within values."""

MOST_FAULTS = 20
"""Faults that are told together."""

REPEATED = "stands twice in one mapping"

TEMPLATE = "__use_yte__"
"""The key that makes Snakemake run a file's expressions as Python."""

KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}
"""What YAML takes keys for that are in no quotes and no text."""


class _Faults(Exception):
    """A line of text for each fault, to stand after the file's name."""


def default_file(checkout: Path) -> Path:
    """The experiment where no file is named: config.yaml, or config/config.yaml, of the working folder, or else of the
    checkout."""
    own = (Path("config.yaml"), Path("config/config.yaml"))
    return next(filter(Path.is_file, own), checkout / "config.yaml")


def read(path: Path) -> dict[str, Any]:
    """The content of a configuration file: YAML or JSON, in UTF-8.

    Raises:
        SeqmatchError: it cannot be read, is no mapping, gives a key twice, contains itself, stands for too many values,
            or has one that YAML takes for another than it looks like; names the file, and the line where there is one.
    """
    try:
        content = _parsed(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SeqmatchError(f"{path}, line {line}: not in UTF-8; save the file in this encoding") from None
    except _Faults as error:
        raise SeqmatchError("\n".join(f"{path}{fault}" for fault in error.args)) from None
    except RecursionError:
        raise SeqmatchError(f"{path}: more than {DEEPEST} levels of values within values") from None
    except (OSError, ValueError, LookupError, AttributeError, TypeError, yaml.YAMLError) as error:
        raise SeqmatchError(f"{path}: cannot be read as a configuration: {error}") from None
    if not isinstance(content, dict):
        raise SeqmatchError(f"{path}: expected keys with values at the top level")
    if TEMPLATE in content:
        raise SeqmatchError(f"{path}: {TEMPLATE}: configurations are no templates; leave it out")
    return content


def laid_over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Both; mappings are joined key by key, and of other values the upper one counts."""
    joined = {
        key: laid_over(lower[key], value)
        for key, value in upper.items()
        if isinstance(value, dict) and isinstance(lower.get(key), dict)
    }
    return lower | upper | joined


def typed(settings: Any, given: Any) -> Any:
    """`settings` as Snakemake has them, with values in place of the text that `--config` gave.

    Snakemake leaves everything within a list or mapping as text. Here such text means what it means in a file: numbers,
    `true`, `false`, `null`; what is in quotes within its quotes stays text.

    Args:
        given: of `--config` alone; what `settings` do not have of it is left aside.

    Raises:
        SeqmatchError: a value is taken for another one than it looks like.
    """
    if isinstance(settings, dict) and isinstance(given, dict):
        return {**settings, **{key: typed(settings[key], value) for key, value in given.items() if key in settings}}
    if settings != given:  # another workflow's, which uses this one as a module
        return settings
    if isinstance(given, list):
        return [typed(value, value) for value in given]
    return _value(given) if isinstance(given, str) else given


def check_words(words: Iterable[str], given: Collection[str]) -> None:
    """Refuse what `--config` lost before it came here: the first of two equal keys in one mapping.

    Args:
        words: of the command line.
        given: keys that `--config` set.

    Raises:
        SeqmatchError: names the key.
    """
    for word in words:
        name, _, text = word.partition("=")
        if name not in given or not text.startswith(("{", "[")):
            continue
        faults: list[str] = []
        with suppress(yaml.YAMLError, RecursionError):  # Snakemake took it for text, and the key says what it needs
            _measured(yaml.compose(text, Loader=yaml.BaseLoader), frozenset(), {}, faults)
        for fault in faults:
            if REPEATED in fault:
                raise SeqmatchError(f"--config {name}: {fault.partition(': ')[2]}")


def _value(text: str) -> Any:
    """What a text is as a single YAML value; the text itself if it is none."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.ScalarNode) or node.end_mark.index < len(text):
            return text or None
        misread = _misread(node)
        if misread:
            raise SeqmatchError(f"--config: {misread}")
        return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        pass
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        faults: list[str] = []
        if root is not None:
            size, levels = _measured(root, frozenset(), {}, faults)
            if size > LARGEST:
                faults.append(f": stands for more than {LARGEST:,} values, anchors filled in")
            if levels > DEEPEST:
                faults.append(f": more than {DEEPEST} levels of values within values")
        if faults:
            raise _Faults(*faults[:MOST_FAULTS])
        return loader.construct_document(root) if root is not None else None
    finally:
        loader.dispose()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise _Faults(f": {repeated} {REPEATED}; keep one of them")
    return found


def _measured(
    node: yaml.Node, above: frozenset[int], known: dict[int, tuple[int, int]], faults: list[str]
) -> tuple[int, int]:
    """How many values a node stands for, and in how many levels; a node that is used by its anchor is read once.

    Args:
        above: nodes that it is within, by their `id`.
        known: what was found for nodes before.
        faults: gets a line for each fault.
    """
    if id(node) in above:
        faults.append(f", line {_line(node)}: contains itself, by its anchor; write out what is meant")
        return 1, 1
    if id(node) not in known:
        if isinstance(node, yaml.MappingNode):
            faults += _faulty_keys(node)
            parts = [part for pair in node.value for part in pair if not _is_key(part, pair)]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        else:
            parts = []
            misread = _misread(node)
            faults += [f", line {_line(node)}: {misread}"] if misread else []
        measured = [_measured(part, above | {id(node)}, known, faults) for part in parts]
        known[id(node)] = 1 + sum(size for size, _ in measured), 1 + max((levels for _, levels in measured), default=0)
    return known[id(node)]


def _is_key(part: yaml.Node, pair: tuple[yaml.Node, yaml.Node]) -> bool:
    return part is pair[0] and isinstance(part, yaml.ScalarNode)


def _faulty_keys(node: yaml.MappingNode) -> Iterator[str]:
    """Keys that stand twice in one mapping, or that are no text."""
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, identity = _line(key), (key.tag, key.value)
        if identity in lines:
            first = lines[identity]
            yield f", line {line}: {key.value} {REPEATED}, first in line {first}; keep one of them"
        if _kind(key) in KINDS:
            yield f", line {line}: the key {key.value} is read as {KINDS[_kind(key)]}; put it in quotes"
        lines.setdefault(identity, line)


def _misread(node: yaml.ScalarNode) -> str | None:
    """In words, if YAML 1.1 takes a value for another one than it looks like."""
    kind, text = _kind(node), node.value
    digits = text.lstrip("+-")
    octal = kind == "int" and len(digits) > 1 and digits[0] == "0" and digits[1] not in "xXbB"
    sexagesimal = kind in ("int", "float") and ":" in text
    if octal or sexagesimal:
        base = "8" if octal else "60"
        return (
            f"{text} is read as a number to the base {base}; write it as a decimal number, or in quotes if it is text"
        )
    if kind == "bool" and text.lower() in ("yes", "no", "on", "off"):
        return f"{text} is read as true or false; write one of these, or put it in quotes if it is text"
    if kind == "timestamp":
        return f"{text} is read as a date; put it in quotes"
    return None


def _kind(node: yaml.Node) -> str:
    return node.tag.rpartition(":")[2]


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
