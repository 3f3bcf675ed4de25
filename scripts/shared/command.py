"""What every command shares: arguments, the log's first lines, and errors that end with one line.

Imported first by each script: it puts the checkout on the path, so that scripts run without an installation.
"""

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pydantic import BaseModel, ValidationError

from seqmatch.config.sections import Count, Name, SeedNumber
from seqmatch.errors import HIDDEN, SeqmatchError, printable, quoted, ran_out_of_memory
from seqmatch.files import kinds
from seqmatch.files.schema import adapter, parse_json
from seqmatch.runtime.interruption import Interrupted, interruptible
from seqmatch.runtime.progress import BestEffort, peak_memory

DONE = "done"
"""The last line of the log of a job that ended well."""


class Finished(Exception):
    """What the command makes is there: it ends well at once."""


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
    arguments.add_argument(
        f"--{name}",
        type=_section(f"--{name}", model),
        required=required,
        metavar="JSON",
        help=f"{help}, as JSON ({{}} for all defaults); keys: {keys}",
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


def table_file(text: str) -> Path:
    """The path of a table to write; its provenance goes beside it, under the same name but for its ending."""
    return _ending(file(text), (".csv",))


def figure_file(text: str) -> Path:
    """The path of a figure to write, or of the table of what it shows."""
    return _ending(file(text), (".pdf", ".png", ".csv"))


def json_value(text: str) -> Any:
    """Anything that is JSON."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON that can be used: {error}") from None


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


def parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a file's provenance says of its making: every argument but paths, machinery and what is only checked."""
    skipped = {"gpu", "threads", "save_every", "images_per_class"}
    return {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in sorted(vars(arguments).items())
        if name not in skipped and not _is_path(value)
    }


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    """Print the exact command, run it, and turn an error made for people into one line and exit status 1.

    Messages are best effort: a log that cannot be written ends no work.
    """
    with redirect_stdout(Plain(BestEffort(sys.stdout))), redirect_stderr(Plain(BestEffort(sys.stderr))):
        _run(main, arguments)


class Plain:
    """A stream that no text ends with an error, and none steers the terminal.

    What the stream's encoding lacks, and control characters, such as names of files may have, are written as escapes.
    """

    SHOWN = re.compile(rf"(?!\A\r|[\n\t]){HIDDEN.pattern}")
    """As escapes; lines may end, and progress bars begin with a carriage return."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = printable(text, self.SHOWN).encode(encoding, "backslashreplace").decode(encoding)
        return self._stream.write(shown)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _run(main: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    parsed = arguments.parse_args()
    _check_apart(arguments, parsed)
    print("command:", shlex.join(["python", *sys.argv]), file=sys.stderr, flush=True)
    try:
        with interruptible(), suppress(Finished):
            main(parsed)
        print(DONE, file=sys.stderr, flush=True)
    except SeqmatchError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and not error.filename2 else str(error))
    except Interrupted as request:
        print(f"ended by {request}; the same command goes on from the last state saved", file=sys.stderr, flush=True)
        sys.exit(request.status)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        _fail(
            f"out of memory ({reason}), {peak_memory()} of main memory; give the job more (mem_mb, or a larger GPU), "
            "or lower what its memory follows from: batch_size, synthetic_batch, the width of the network, image_size "
            "(most of all with `normalization: zca`), networks_per_shard, snapshots, or records"
        )


def _check_apart(arguments: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Refuse to write over a file that is read, or that is written already: it would be lost."""
    taken = {os.path.realpath(read) for read in _paths(arguments, parsed, (path,))}
    for written in _paths(arguments, parsed, (file, table_file, figure_file)):
        place = os.path.realpath(written)
        if place in taken:
            arguments.error(f"{written}: stands for two files, one of which would be lost; name another one to write")
        taken.add(place)


def _paths(arguments: argparse.ArgumentParser, parsed: argparse.Namespace, types: tuple[Any, ...]) -> Iterator[Path]:
    """Paths that options of these types gave, and those of the provenance beside tables."""
    for action in arguments._actions:
        if action.type in types:
            given = getattr(parsed, action.dest)
            for found in given if isinstance(given, list) else [given] if given else []:
                yield found
                if found.suffix == ".csv":
                    yield found.with_suffix(".json")


def _fail(reason: str) -> None:
    print(f"error: {reason}", file=sys.stderr, flush=True)
    sys.exit(1)


def section(option: str, model: type[BaseModel], value: Any) -> BaseModel:
    """A section of the configuration, from what JSON gave.

    Raises:
        SeqmatchError: names the option and the key at fault.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        raise SeqmatchError(f"{option}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _section(option: str, model: type[BaseModel]) -> Callable[[str], BaseModel]:
    def parse(text: str) -> BaseModel:
        try:
            return section(option, model, parse_json(text))
        except (ValueError, SeqmatchError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _is_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(item, Path) for item in value))
