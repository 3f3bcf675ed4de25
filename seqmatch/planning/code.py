"""A fingerprint of the code that a command runs: of what it computes, not of how it is worded.

Snakemake takes it as a parameter, so that an edit to matching repeats distillation, and an edit to a figure that figure
alone; a checkpoint has it in its name. Nothing is run: imports are followed, also those within functions, and each file
counts by its syntax tree without

- comments, docstrings, and all other constants that are a statement of their own;
- what stands under `if TYPE_CHECKING`, and the annotations of variables and of functions without decorators: nothing
  evaluates these. Annotations in the body of a class count, as a dataclass makes fields of them; so do those of a
  decorated function, which its decorator may read;
- the words of messages: the strings and f-strings in a `raise`, in the message of an `assert`, in a call of `SPEAKING`,
  in an argument of `HELP`, and in local variables and private functions that are used in messages only. An f-string
  goes with the values in it. What a message gives to a function that is not in `PURE` counts: it may do more than word.

All else counts, above all constants and the defaults of functions.

Every Python from 3.11 on gives the same digest. The tree is written out here, by the names of its nodes and of the
fields that are not empty: a field that a later Python adds is empty where its syntax is not used. Constants are written
in ASCII (which letters can be printed depends on the version), the pieces of an f-string without empty ones (3.12 has
some).

A module that is loaded by its name (importlib) is not seen here: who asks for a digest names it. The `__init__` of a
package counts where something is imported from it; that of `seqmatch`, which serves other programs, does not where only
modules are.

A named module may be one of the user's own, such as a network: then what it imports from beside it counts too. Of one
that is installed among other packages its file alone counts: as of those, its version is not seen here.
"""

import ast
import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from seqmatch.errors import SeqmatchError, allowed

PACKAGE = "seqmatch"

NOT_RESULTS = (
    "seqmatch.command",
    "seqmatch.config",
    "seqmatch.errors",
    "seqmatch.files.checkpoint",
    "seqmatch.files.finished",
    "seqmatch.files.kinds",
    "seqmatch.files.schema",
    "seqmatch.files.temporary",
    "seqmatch.planning.code",
    "seqmatch.runtime.calibration",
    "seqmatch.runtime.gpu_lock",
    "seqmatch.runtime.interruption",
    "seqmatch.runtime.progress",
    "shared.command",
)
"""Modules that cannot change a result, with all below them but `COUNTED`: they are left out.

- config: settings reach a command as arguments, with their defaults, and so Snakemake as parameters; a module that
  makes a section of its own gives every field.
- errors: the class of messages, and which errors mean that memory is short. The work is then done in smaller parts, and
  gives the same up to rounding.
- checkpoint: a resumed run ends with the same bits. What a state holds is decided by the modules that save it.
- kinds, schema: what is refused where a file is read; what is read of others is the same.
- finished: what a job finished before is put back with its bits.
- temporary: where a file lies until it is complete.
- code: an edit that changes how a tree is written changes the digests themselves.
- calibration: how many images are computed at once, which gives the same up to rounding.
- gpu_lock: which GPU of a machine a process takes, and when.
- interruption, progress: when a process ends, and what it shows before.
- command: how arguments are read. What it writes of them into the header of a file describes the numbers there.
"""

COUNTED = ("seqmatch.config.storage",)
"""Modules below those that jobs compute with: how many images a subset has, and what is stored of them."""

SPEAKING = {"print", "warn", "error", "exit", "set_postfix", "tell", "_fail", "SeqmatchError", "ArgumentTypeError"}
"""Functions, methods and errors that speak to people; `print` unless it writes into a file."""

HELP = {"help", "metavar", "description", "epilog", "desc"}
"""Arguments of these names are for people: the help of commands, and the title of a progress bar."""

PURE = {
    *("abs", "bool", "dict", "enumerate", "float", "int", "len", "list", "map", "max", "min", "range", "repr", "round"),
    *("set", "sorted", "str", "sum", "tuple", "type", "zip"),
    *("as_posix", "format", "items", "join", "keys", "split", "splitlines", "strip", "values"),
}
"""Functions and methods that do nothing but return a value, as messages need them."""

UNFORESEEN = {"*", "__getattr__", "globals", "setattr", "vars"}
"""Names in a file that may give it names that are not written there."""

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

Imports = tuple[tuple[str, tuple[str, ...]], ...]
"""Modules, each with the names that are imported from it."""


def digest(script: Path, modules: Iterable[str] = (), texts: Iterable[str] = ()) -> str:
    """16 hexadecimal digits that change with what a command computes.

    Args:
        script: a file in the folder `scripts` beside the package `seqmatch`.
        modules: further modules that it loads by their names, such as "seqmatch.distillation.trajectory".
        texts: whatever else takes part, in order.

    Raises:
        FileNotFoundError: there is no such script.
        SeqmatchError: there is no such module, or what it imports of the project is not Python.
    """
    parts = [_read(path).digest for path in code_of(script, modules)]
    parts += [hashlib.sha256(text.encode()).digest() for text in texts]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def code_of(script: Path, modules: Iterable[str] = ()) -> list[Path]:
    """The files that take part in `digest`: the script, the modules, and what these import of the project.

    Those of the project are sorted by their names, those of the user's own come after them, sorted likewise.
    """
    root = script.parent.parent
    found, own = {script}, {}
    for name in modules:
        path = _file(root, name)
        if path is None:
            own |= _own(root, name)
        elif not _is_left_out(name):
            found.add(path)
    waiting = [*found, *own.values()]
    while waiting:
        for name in _imported(root, waiting.pop()):
            path = _file(root, name)
            if path is not None and path not in found and not _is_left_out(name):
                found.add(path)
                waiting.append(path)
    return [*sorted(found), *(own[name] for name in sorted(own))]


def check_class(script: Path, module: str, name: str) -> None:
    """Refuse a network of the user's own, as far as its file shows without being run that there is none.

    Raises:
        SeqmatchError: there is no such module, it is not Python, or it names no such class.
    """
    root = script.parent.parent
    code_of(script, [module])
    path = _file(root, module) or _own(root, module)[module]
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    named = {getattr(node, field, None) for node in nodes for field in ("id", "name", "asname")}
    if name not in named and not named & UNFORESEEN:
        classes = [node.name for node in nodes if isinstance(node, ast.ClassDef)]
        raise SeqmatchError(f"{path} has no class {name}; {allowed(name, classes)}")


def _own(root: Path, name: str) -> dict[str, Path]:
    """Files of a module that is not of the project, and of those beside it that it imports, by name; nothing is run.

    Raises:
        SeqmatchError: there is none, or Python itself has one of this name.
    """
    if name.partition(".")[0] in {*sys.stdlib_module_names, "__main__"}:
        raise SeqmatchError(f"{name} is a module of Python itself; give yours another name")
    place = _place(root, name)
    if place is None:
        raise SeqmatchError(f"there is no module {name}, neither installed nor in {os.getcwd()}")
    if {"site-packages", "dist-packages"} & set(Path(place).parts):
        return {name: _at(place, name)}
    found: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        parts = waiting.pop().split(".")
        for count in range(1, len(parts) + 1):  # packages run before what is in them
            full = ".".join(parts[:count])
            path = _at(place, full)
            if path is not None and full not in found and parts[0] != PACKAGE:
                found[full] = path
                package = full if path.name == "__init__.py" else full.rpartition(".")[0]
                try:
                    waiting += _names(_read(path).imports, package)
                except ImportError as error:
                    raise SeqmatchError(f"{path}: {error}") from None
    return found


def _place(root: Path, name: str) -> str | None:
    """The folder that a job imports a module from: those of the project come first, the one that it runs in last."""
    here = os.getcwd()
    places = [str(root), f"{root}/scripts", *(place for place in sys.path if os.path.abspath(place) != here), here]
    found = next((place for place in places if _at(place, name)), None)
    return found or _place_of_package(name)


def _place_of_package(name: str) -> str | None:
    """Where a package lies that is on no path, as some that are installed to be edited."""
    spec = find_spec(name.partition(".")[0])
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((str(place) for place in map(os.path.dirname, folders) if _at(place, name)), None)


def _at(place: str, name: str) -> Path | None:
    """The file of a module in a folder that modules are looked for in."""
    path = f"{place or '.'}/{name.replace('.', '/')}"
    return next((Path(file) for file in (f"{path}/__init__.py", f"{path}.py") if os.path.isfile(file)), None)


def _names(imports: Imports, package: str) -> Iterator[str]:
    """Names of modules, and of what is in them, as a module of that package imports them."""
    for module, names in imports:
        full = resolve_name(module, package) if module.startswith(".") and package else module
        yield from (full, *(f"{full}.{name}" for name in names))


def _is_left_out(name: str) -> bool:
    return name not in COUNTED and f"{name}.".startswith(tuple(f"{module}." for module in NOT_RESULTS))


def _file(root: Path, name: str) -> Path | None:
    """The file of a module of the project; None for others, and for names that are no modules."""
    path = name.replace(".", "/")
    inside = f"{path}/".startswith(f"{PACKAGE}/")
    candidates = [f"{root}/{path}.py", f"{root}/{path}/__init__.py"] if inside else [f"{root}/scripts/{path}.py"]
    return next((Path(file) for file in candidates if os.path.isfile(file)), None)  # 4 times as fast as `Path.is_file`


def _imported(root: Path, path: Path) -> Iterator[str]:
    """Names that a file of the project imports, of modules and of what is in them."""
    for module, names in _read(path).imports:
        if module.startswith("."):
            if any(path.is_relative_to(root / folder) for folder in (PACKAGE, "scripts")):
                raise ValueError(f"{path} imports relatively; name the module in full")
            continue
        inner = [f"{module}.{name}" for name in names]
        yield from inner
        if module != PACKAGE or not all(_file(root, name) for name in inner):
            yield module


@dataclass(frozen=True)
class _Code:
    """What matters of a file."""

    digest: bytes
    imports: Imports


def _read(path: Path) -> _Code:
    """What matters of a file.

    Raises:
        SeqmatchError: it cannot be read, or is not Python.
    """
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SeqmatchError(str(error)) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SeqmatchError(f"{path}: not Python: {error}") from None


@cache
def _parsed(content: bytes) -> _Code:
    """Once for each content: many scripts import the same files, and an edit to one is noticed."""
    tree = ast.parse(content)
    _strip(tree)
    nodes = list(_nodes(tree))
    parts: list[str] = []
    _write(tree, _words(nodes), parts)
    return _Code(hashlib.sha256("".join(parts).encode()).digest(), tuple(_imports(nodes)))


def _strip(node: ast.AST, in_class: bool = False) -> None:
    """Take out of the statements of a tree what does nothing."""
    if isinstance(node, FUNCTION) and not node.decorator_list:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    if isinstance(node, FUNCTION | ast.ClassDef):
        in_class = isinstance(node, ast.ClassDef)
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, field, None)
        if isinstance(inner, list):
            inner[:] = [kept for statement in inner for kept in _stripped(statement, in_class)]
            for statement in inner:
                _strip(statement, in_class)


def _stripped(statement: ast.AST, in_class: bool) -> list[ast.AST]:
    """What stays of a statement, from the outside."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return []
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return [kept for inner in statement.orelse for kept in _stripped(inner, in_class)]
        case ast.AnnAssign(value=ast.expr()) if not in_class:
            return [ast.Assign(targets=[statement.target], value=statement.value)]
        case ast.AnnAssign() if not in_class:
            return []
    return [statement]


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every node, and the function, class or module that it stands in."""
    waiting = [(tree, tree)]
    while waiting:
        node, scope = waiting.pop()
        yield node, scope
        inner = node if isinstance(node, FUNCTION | ast.ClassDef) else scope
        waiting += [(child, inner) for child in _children(node)]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            yield from (item for item in value if isinstance(item, ast.AST))
        elif isinstance(value, ast.AST) and field != "ctx":
            yield value


def _imports(nodes: Iterable[tuple[ast.AST, ast.AST]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node, _ in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def _words(nodes: Iterable[tuple[ast.AST, ast.AST]]) -> set[ast.AST]:
    """Strings, f-strings and names that only go into messages."""
    messages: set[ast.AST] = set()
    uses: dict[str, list[ast.AST]] = defaultdict(list)
    private: dict[str, list[ast.AST]] = defaultdict(list)
    """By name: the values of variables, and functions, that are known in this file alone."""
    for node, scope in nodes:
        for root in _said(node):
            messages.update(_worded(root))
        match node:
            case ast.Name(ctx=ast.Load()):
                uses[node.id].append(node)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_private(name, scope):
                private[name].append(value)
            case ast.FunctionDef(name=name, decorator_list=[]) if _is_private(name, scope) and not _changes_others(
                node
            ):
                private[name] += node.body
            case ast.Global():
                uses.update({name: [node] for name in node.names})
    found = True
    while found:
        found = [name for name in private if uses[name] and messages.issuperset(uses[name])]
        for name in found:
            for part in private.pop(name):
                messages.update(_worded(part))
    return messages


def _is_private(name: str, scope: ast.AST) -> bool:
    if isinstance(scope, ast.Module):
        return name.startswith("_") and not name.startswith("__")
    return not isinstance(scope, ast.ClassDef)


def _changes_others(function: ast.FunctionDef) -> bool:
    """Whether it writes into objects, or variables of others."""
    return any(
        isinstance(node, ast.Global | ast.Nonlocal)
        or (isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load))
        for node in ast.walk(function)
    )


def _said(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that are messages."""
    match node:
        case ast.Raise(exc=ast.Call(args=args, keywords=keywords)):
            return [*args, *keywords]
        case ast.Assert(msg=ast.expr()):
            return [node.msg]
        case ast.Call() if _name(node) in SPEAKING and not _writes_a_file(node):
            return [*node.args, *node.keywords]
        case ast.keyword() if node.arg in HELP:
            return [node.value]
    return []


def _worded(node: ast.AST) -> Iterator[ast.AST]:
    """Of a part of a message: the strings, f-strings and names that go into it, and nowhere else."""
    if isinstance(node, ast.JoinedStr) and all(_is_pure(part) for part in ast.walk(node)):
        yield from ast.walk(node)
    elif isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
    elif not _is_pure(node):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func
    else:
        for child in _children(node):
            yield from _worded(child)


def _is_pure(node: ast.AST) -> bool:
    return not isinstance(node, ast.Call | ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) or (
        isinstance(node, ast.Call) and _name(node) in PURE
    )


def _name(call: ast.Call) -> str | None:
    """Of the function or method that is called."""
    return getattr(call.func, "id", None) or getattr(call.func, "attr", None)


def _writes_a_file(call: ast.Call) -> bool:
    files = [keyword.value for keyword in call.keywords if keyword.arg == "file"]
    return any(getattr(file, "attr", None) not in ("stderr", "stdout") for file in files)


def _write(node: ast.AST, words: set[ast.AST], parts: list[str]) -> None:
    """Append the text of a tree to `parts`."""
    if node in words and isinstance(node, ast.Constant | ast.JoinedStr):
        parts.append("words")
    elif isinstance(node, ast.Constant):
        parts += [type(node.value).__name__, " ", ascii(node.value)]
    else:
        parts += [type(node).__name__, "("]
        for field in node._fields:
            value = getattr(node, field, None)
            if value and field != "ctx":  # where a name is written or read follows from its place
                parts += [field, "="]
                if isinstance(value, list):
                    parts.append("[")
                    for item in _joined(value, words) if isinstance(node, ast.JoinedStr) else value:
                        _write_value(item, words, parts)
                        parts.append(",")
                    parts.append("]")
                else:
                    _write_value(value, words, parts)
                parts.append(",")
        parts.append(")")


def _write_value(value: object, words: set[ast.AST], parts: list[str]) -> None:
    if isinstance(value, ast.AST):
        _write(value, words, parts)
    else:
        parts.append(ascii(value))


def _joined(values: list[ast.expr], words: set[ast.AST]) -> list[ast.expr]:
    """The parts of an f-string, without words of messages; text that is not interrupted is one part."""
    joined: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            joined.append(value)
        elif value.value and value not in words:
            if joined and isinstance(joined[-1], ast.Constant):
                value = ast.Constant(joined.pop().value + value.value)
            joined.append(value)
    return joined
