"""Arguments of commands: parsers, and the types of what options take. Imports neither torch nor pandas."""

import argparse
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from seqmatch.config.faults import explain
from seqmatch.config.sections import Count, Name, SeedNumber
from seqmatch.config.storage import subset_sizes
from seqmatch.errors import SeqmatchError, quoted
from seqmatch.files import kinds
from seqmatch.files.schema import adapter, parse_json


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser whose help is the script's own docstring; options have to be written out."""
    return argparse.ArgumentParser(
        description=description,
        epilog="The first line of a job's log shows a full command; put `uv run` before it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_section(
    arguments: argparse.ArgumentParser, name: str, model: type[BaseModel], help: str, required: bool = True
) -> None:
    """An option that takes one section of the configuration as JSON."""
    keys = ", ".join(model.model_fields)
    needed = any(field.is_required() for field in model.model_fields.values())
    defaults = "" if needed else " ({} for all defaults)"
    arguments.add_argument(
        f"--{name}",
        type=_section(f"--{name}", model),
        required=required,
        metavar="JSON",
        help=f"{help}, as JSON{defaults}; keys: {keys}",
    )


def add_configuration(arguments: argparse.ArgumentParser) -> None:
    """The option that takes a whole configuration as JSON."""
    arguments.add_argument(
        "--configuration", type=json_object, required=True, metavar="JSON", help="what the configuration sets, as JSON"
    )


def add_images_per_class(arguments: argparse.ArgumentParser) -> None:
    """The option of what a data set is checked for before anything is trained on it."""
    arguments.add_argument(
        "--images-per-class",
        type=count,
        default=1,
        metavar="N",
        help="training images that each class needs (default 1)",
    )


def add_sizes(arguments: argparse.ArgumentParser) -> None:
    """The option of how many images per class each subset has."""
    arguments.add_argument(
        "--sizes",
        type=count,
        nargs="*",
        default=[],
        metavar="N",
        help="images per class of each subset (default: --ipc divided near-equally)",
    )


def sizes_of(args: argparse.Namespace, subsets: int) -> list[int]:
    """Images per class of each subset, from --sizes and --ipc.

    Raises:
        SeqmatchError: they are not of so many subsets, or do not add up; or all real images are meant.
    """
    if args.ipc == "all":
        raise SeqmatchError("--ipc all: all real data are no subsets; expected a number")
    if args.sizes and len(args.sizes) != subsets:
        raise SeqmatchError(f"--sizes: {len(args.sizes)} numbers for {subsets} subsets")
    try:
        return subset_sizes(int(args.ipc), args.sizes or [None] * subsets)
    except ValueError as error:
        raise SeqmatchError(f"--sizes: {error}") from None


def images_per_class(text: str) -> str:
    """The value of --ipc: a number, or `all`, as it stands in names of files."""
    return validated(kinds.Ipc, text, "a number from 1, or `all`")


def name(text: str) -> str:
    """A name of the configuration's."""
    return validated(Name, text, "lower-case letters and digits, joined by single hyphens or underscores")


def words(text: str) -> str:
    """Text without control characters."""
    if not text.isprintable() or not text.strip():
        raise _unexpected(text, "text on one line")
    return text


def title(text: str) -> str:
    """As `words`; may be empty."""
    return words(text) if text else ""


def between(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers in a range, both ends inclusive."""

    def whole(text: str) -> int:
        found = _digits(text, 0)
        if not low <= found <= high:
            raise _unexpected(text, f"a whole number from {low} to {high}")
        return found

    return whole


def count(text: str) -> int:
    """A count of the configuration's."""
    return validated(Count, _digits(text, 1), "a smaller whole number, from 1")


def number(text: str) -> int:
    """Of a seed, or of what is counted from 0."""
    return validated(SeedNumber, _digits(text, 0), "a smaller whole number, from 0")


def seconds(text: str) -> float:
    """A time, not negative."""
    return _real(text, "[0, 1e9]", lambda found: 0 <= found <= 1e9)


def gigabytes(text: str) -> float | None:
    """An amount of memory, not negative; None is for the job to choose."""
    return None if text == "auto" else _real(text, "auto, or [0, 1e9]", lambda found: 0 <= found <= 1e9)


def rate(text: str) -> float:
    """A number above 0."""
    return _real(text, "(0, 1e9]", lambda found: 0 < found <= 1e9)


def path(text: str) -> Path:
    """Of a file or folder; reading a pipe or a device may never end."""
    endless = os.path.exists(text) and not os.path.isfile(text) and not os.path.isdir(text)
    if not text or "\0" in text or endless:
        raise _unexpected(text, "the path of a file or folder")
    return Path(text)


def file(text: str) -> Path:
    """The path of a file to write."""
    found = path(text)
    if found.name in ("", "..") or text.endswith("/"):
        raise _unexpected(text, "the path of a file")
    return found


def set_file(text: str) -> Path:
    """The path of a file of tensors to write."""
    return _ending(file(text), (".safetensors",))


def new_folder(text: str) -> Path:
    """The path of a folder to write."""
    return file(text.rstrip("/") or text)


def table_file(text: str) -> Path:
    """The path of a table to write; its provenance goes beside it, under the same name but for its ending."""
    return _ending(file(text), (".csv",))


def figure_file(text: str) -> Path:
    """The path of a figure to write, of its caption, or of the table of what it shows."""
    return _ending(file(text), (".pdf", ".png", ".txt", ".tex", ".csv"))


def json_value(text: str) -> Any:
    """Anything that is JSON."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{quoted(text)}: not JSON that can be used: {error}") from None


def json_object(text: str) -> dict[str, Any]:
    """Keys with values."""
    return validated(dict[str, Any], json_value(text), "an object, such as {}")


def validated(kind: Any, value: Any, expected: str) -> Any:
    """A value as pydantic has it for a type.

    Raises:
        argparse.ArgumentTypeError: it is not of this type; says what was expected.
    """
    try:
        return adapter(kind).validate_python(value)
    except ValidationError:
        raise _unexpected(value, expected) from None


def _unexpected(value: Any, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{quoted(value)}: expected {expected}")


def _digits(text: str, least: int) -> int:
    if not re.fullmatch("[0-9]{1,19}", text) or not least <= int(text) < 2**63:
        raise _unexpected(text, f"a whole number from {least}")
    return int(text)


def _real(text: str, bounds: str, fits: Callable[[float], bool]) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not fits(found):
        raise _unexpected(text, f"a number in {bounds}")
    return found


def _ending(found: Path, endings: tuple[str, ...]) -> Path:
    if found.suffix not in endings:
        raise _unexpected(str(found), f"a name that ends in {' or '.join(endings)}")
    return found


def section(option: str, model: type[BaseModel], value: Any) -> BaseModel:
    """A section of the configuration, from what JSON gave.

    Raises:
        SeqmatchError: names the option and the key at fault.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = explain(error.errors(), value, model)
        raise SeqmatchError("; ".join(f"{option}: {line}" for line in found.splitlines())) from None


def _section(option: str, model: type[BaseModel]) -> Callable[[str], BaseModel]:
    def parse(text: str) -> BaseModel:
        value = json_object(text)
        try:
            return section(option, model, value)
        except SeqmatchError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{option}: ")) from None

    return parse
