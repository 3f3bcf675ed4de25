"""What a file must hold to be of a kind, and the one check of it. Imports neither torch nor pandas.

A set is meant to be passed on, and a checksum is no signature: whoever writes a file can write its checksum too. So
names, types, shapes, ranges and headers are compared with what `seqmatch.files.kinds` declares wherever a file is read.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from seqmatch.config.faults import explain
from seqmatch.errors import SeqmatchError, quoted

if TYPE_CHECKING:
    import pandas as pd

ADVICE = "if the workflow made it, delete it and run again"
DTYPES = {
    **{"F16": "float16", "F32": "float32", "F64": "float64", "I64": "int64", "U8": "uint8"},
    **{"BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32"},
}
"""By their names in tensor files, those that are written; the last ones of users' own networks alone."""

LONGEST_HEADER = 2**24
"""Bytes, of a tensor file and beside a table: a hundred times what a large experiment writes."""

DEEPEST = 64
"""Levels of JSON; what is written here has fewer than ten."""

Dimensions = Mapping[str, int]
"""Sizes by their symbols, such as C, H and W of images."""


@dataclass(frozen=True)
class Array:
    """One tensor of a file."""

    dtype: str
    """One, or several joined by `or`."""
    shape: str = ""
    """Symbols, numbers and products of them: `n C H W`, `n*C 2`; of no dimension: a single number, whose own name is a
    symbol where it is whole; `n ...`: whatever comes after."""
    low: float = -math.inf
    high: float = math.inf
    """Both inclusive."""
    below: str | None = None
    """A symbol whose size no number reaches, where it is known."""
    positive: bool = False
    optional: bool = False
    empty: bool = False
    """Whether it may hold no number at all."""
    finite: bool = True
    """Whether every number has to be."""


class Header(BaseModel):
    """What a header must say: keys that are not named here may be there too."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)  # built when used: a job reads few kinds

    def dimensions(self) -> Dimensions:
        """Sizes that the header tells."""
        return {}


class Row(BaseModel):
    """A row of a table; columns that are not named here may be there too, and those with a default may be missing."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    about: ClassVar[str]
    """What a table of such rows is, for messages."""
    key: ClassVar[tuple[str, ...]] = ()
    """Columns that tell rows apart: no two share all of these."""
    empty: ClassVar[bool] = False
    """Whether a table of them may have no rows."""

    @classmethod
    def required(cls) -> list[str]:
        """Columns that every such table has."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]


@dataclass(frozen=True)
class Kind:
    """A kind of tensor file."""

    about: str
    """For messages."""
    arrays: Mapping[str, Array] = field(default_factory=dict)
    header: type[Header] = Header
    either: Sequence[Mapping[str, Array]] = ({},)
    """Besides `arrays`, those of one of these."""
    fault: Callable[[Mapping[str, np.ndarray], Header], str] = lambda arrays, header: ""
    """What else is wrong with its contents, in words; empty if nothing is."""


@dataclass(frozen=True)
class Layout:
    """What an open file holds, as far as its kind tells."""

    arrays: Mapping[str, Array]
    """Those that are there, by name."""
    dimensions: Dimensions
    header: Header


def layout(path: Path, file: Any, kind: Kind, header: Any, known: Dimensions | None = None) -> Layout:
    """The types and shapes in an open tensor file, compared with its kind; of its contents only single numbers are
    read.

    Args:
        header: as JSON has it.
        known: sizes that what is read must have, because it is used with something else.

    Raises:
        SeqmatchError: names the file, what is wrong in it, what was expected and what was found.
    """
    names = set(file.keys())
    arrays = {**kind.arrays, **_form(kind, names)}
    missing = sorted(name for name, array in arrays.items() if not array.optional and name not in names)
    if missing:
        raise SeqmatchError(f"{path}: another kind of file was expected, {kind.about}; it has no {', '.join(missing)}")
    arrays = {name: array for name, array in arrays.items() if name in names}
    about = checked(path, kind.header, header)
    dimensions = dict(known or {})
    _bind(path, dimensions, about.dimensions())
    shapes = {name: (file.get_slice(name).get_dtype(), file.get_slice(name).get_shape()) for name in arrays}
    for name, array in arrays.items():
        dtype, shape = shapes[name]
        symbols = _symbols(array, shape)
        if (
            DTYPES.get(dtype) not in array.dtype.split(" or ")
            or len(shape) != len(symbols)
            or (0 in shape and not array.empty)
        ):
            raise _unexpected(path, name, array, dimensions, shapes[name])
        if not symbols and array.dtype == "int64":
            value = np.asarray(file.get_tensor(name))
            _check_values(path, name, array, value, dimensions)
            _bind(path, dimensions, {name: int(value)})
        for symbol, size in zip(symbols, shape, strict=True):
            if symbol.isidentifier():
                dimensions.setdefault(symbol, size)
    for name, array in arrays.items():
        if [_size(symbol, dimensions) for symbol in _symbols(array, shapes[name][1])] != list(shapes[name][1]):
            raise _unexpected(path, name, array, dimensions, shapes[name])
    return Layout(arrays, dimensions, about)


def check_values(path: Path, kind: Kind, found: Layout, tensors: Mapping[str, Any]) -> None:
    """Compare the numbers that a file holds with its kind.

    Args:
        tensors: NumPy arrays, or torch tensors on the CPU.

    Raises:
        SeqmatchError: as `layout`.
    """
    values = {name: np.asarray(tensors[name]) for name in found.arrays}
    for name, array in found.arrays.items():
        _check_values(path, name, array, values[name], found.dimensions)
    fault = kind.fault(values, found.header)
    if fault:
        raise SeqmatchError(f"{path}: not usable as {kind.about}: {fault}; {ADVICE}")


def read_json(path: Path, model: Any, advice: str = ADVICE) -> Any:
    """A JSON file, as a model or another type of mapping that pydantic knows.

    Raises:
        SeqmatchError: it is none; names the file and the key at fault.
    """
    with path.open("rb") as file:
        content = file.read(LONGEST_HEADER + 1)
    try:
        if len(content) > LONGEST_HEADER:
            raise ValueError(f"longer than {LONGEST_HEADER} bytes")
        value = parse_json(content)
    except ValueError as error:
        raise SeqmatchError(f"{path}: damaged ({error}); {advice}") from None
    return checked(path, model, value, advice)


def checked(path: Path, model: Any, value: Any, advice: str = ADVICE) -> Any:
    """What JSON gave at the top of a file, as a model or another type of mapping that pydantic knows.

    Raises:
        SeqmatchError: names the file and each key at fault.
    """
    try:
        if not isinstance(value, dict):
            raise SeqmatchError(f"{path}: damaged (expected keys with values, found {quoted(value)}); {advice}")
        return adapter(model).validate_python(value)
    except ValidationError as error:
        raise SeqmatchError(f"{path}: {in_words(error, value, model)}; {advice}") from None


@cache
def adapter(kind: Any) -> TypeAdapter:
    """What validates values of a type."""
    return TypeAdapter(kind)


def in_words(error: ValidationError, value: Any, model: Any) -> str:
    """The faults of a value on one line."""
    return explain(error.errors()[:3], value, model).replace("\n", "; ")


def check_table(path: Path, table: "pd.DataFrame", row: type[Row]) -> None:
    """Compare the columns of a table and every row with what a table of such rows holds.

    Raises:
        SeqmatchError: names the file, the row (from 1) and the column; or the row that stands there twice.
    """
    fields = row.model_fields
    missing = [name for name in row.required() if name not in table]
    if missing:
        raise SeqmatchError(f"{path}: not {row.about}; it has no column {', '.join(missing)}")
    columns = table[[name for name in fields if name in table]]
    records = columns.astype(object).where(columns.notna(), None).to_dict("records")
    try:
        adapter(list[row]).validate_python(records)
    except ValidationError as error:
        fault = error.errors()[0]
        index, column, *_ = fault["loc"]
        raise SeqmatchError(
            f"{path}: not {row.about}: row {index + 1}, {column} = {quoted(records[index][column])}: {fault['msg']}"
        ) from None
    if not records and not row.empty:
        raise SeqmatchError(f"{path}: not {row.about}: it has no rows")
    check_distinct(str(path), table, row)


def check_distinct(place: str, table: "pd.DataFrame", row: type[Row]) -> None:
    """Whether the rows of a table, or of several in one, are all of different things.

    Raises:
        SeqmatchError: names the place, and what there are two rows of.
    """
    twice = table.duplicated(list(row.key)) if row.key else None
    if twice is not None and twice.any():
        found = table[twice].iloc[0]
        of = ", ".join(f"{name} {quoted(found[name])}" for name in row.key)
        raise SeqmatchError(f"{place}: two rows of the same, {of}; is a table given twice?")


def parse_json(text: str | bytes) -> Any:
    """JSON, read strictly: whole numbers fit into 64 bits, others are finite, no key stands twice, few levels.

    Raises:
        ValueError: it is not such JSON.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("nested too deep") from None
    layer, depth = [value], 0
    while layer := [item for node in layer for item in _below(node)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("nested too deep")
    return value


def _form(kind: Kind, names: set[str]) -> Mapping[str, Array]:
    """Those arrays of `kind.either` that are there; of none, the first."""
    return next((form for form in kind.either if set(form) <= names), kind.either[0])


def _bind(path: Path, dimensions: dict[str, int], sizes: Dimensions) -> None:
    for symbol, size in sizes.items():
        if dimensions.setdefault(symbol, size) != size:
            raise SeqmatchError(
                f"{path}: {symbol}: expected {dimensions[symbol]}, found {size}; is it of another data set?"
            )


def _symbols(array: Array, shape: Sequence[int]) -> list[str]:
    """The symbol of each dimension; of whatever comes after, its size itself."""
    symbols = array.shape.split()
    return [*symbols[:-1], *map(str, shape[len(symbols) - 1 :])] if symbols[-1:] == ["..."] else symbols


def _size(symbol: str, dimensions: Dimensions) -> int:
    return math.prod(int(part) if part.isdigit() else dimensions[part] for part in symbol.split("*"))


def _unexpected(path: Path, name: str, array: Array, dimensions: Dimensions, found: tuple[str, list[int]]):
    known = [f"{symbol} = {dimensions[symbol]}" if symbol in dimensions else symbol for symbol in array.shape.split()]
    dtype, shape = found
    return SeqmatchError(
        f"{path}: {name}: expected {array.dtype} ({', '.join(known)}), found {DTYPES.get(dtype, dtype)} "
        f"({', '.join(map(str, shape))}); is it of another data set or network? {ADVICE}"
    )


def _check_values(path: Path, name: str, array: Array, values: np.ndarray, dimensions: Dimensions) -> None:
    if not values.size:
        return
    low, high = values.min().item(), values.max().item()  # (of numbers among which one is NaN, both are)
    expected = []
    if array.finite and not (math.isfinite(low) and math.isfinite(high)):
        expected.append("finite numbers")
    if low < array.low or (array.positive and low <= 0):
        expected.append("numbers above 0" if array.positive else f"at least {array.low:g}")
    if high > array.high:
        expected.append(f"at most {array.high:g}")
    if array.below and high >= dimensions.get(array.below, math.inf):
        expected.append(f"numbers below {dimensions[array.below]}, of {array.below}")
    if expected:
        raise SeqmatchError(f"{path}: {name}: expected {', '.join(expected)}, found {low:g} to {high:g}; {ADVICE}")


def _below(node: Any) -> Sequence[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{quoted(text)} does not fit into 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
