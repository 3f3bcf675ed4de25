"""Which files of this project a script runs: read from the imports, without running anything.

Snakemake takes their digest as a parameter, so that an edit to matching repeats distillation and an edit to a figure
repeats that figure alone; checkpoints take them into their fingerprint.
"""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

NOT_RESULTS = {"seqmatch.config", "seqmatch.errors", "seqmatch.runtime.interruption", "seqmatch.runtime.progress"}
"""Modules that cannot change a result: settings reach the jobs as parameters, the others only speak."""


def sources_of(script: Path) -> list[Path]:
    """The script and every module of the project that it imports, directly or not, sorted.

    Args:
        script: a file in the folder `scripts` beside the package `seqmatch`.

    Raises:
        FileNotFoundError: there is no such script.
    """
    root = script.parent.parent
    found, waiting = {script}, [script]
    while waiting:
        for name in _imports(waiting.pop()):
            path = _module_file(root, script.parent, name)
            if (
                not f"{name}.".startswith(tuple(f"{module}." for module in NOT_RESULTS))
                and path is not None
                and path not in found
            ):
                found.add(path)
                waiting.append(path)
    return sorted(found)


def digest_of(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits that change with the content of any of the files."""
    contents = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
    return hashlib.sha256(contents).hexdigest()[:16]


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _module_file(root: Path, scripts: Path, name: str) -> Path | None:
    relative = Path(*name.split("."))
    candidates = [
        root / relative.with_suffix(".py"),
        root / relative / "__init__.py",
        scripts / relative.with_suffix(".py"),
    ]
    inside = name.split(".")[0] in ("seqmatch", "shared") or "." not in name
    return next((path for path in candidates if inside and path.is_file()), None)
