"""The frame of a command: the log's first lines, and errors that end with one line."""

import argparse
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from seqmatch.command.arguments import figure_file, file, new_folder, path, set_file, table_file
from seqmatch.errors import HIDDEN, SeqmatchError, in_short, printable, ran_out_of_memory
from seqmatch.runtime.held import hold
from seqmatch.runtime.interruption import Interrupted, interruptible
from seqmatch.runtime.progress import BestEffort, peak_memory

STDERR = 2
DONE = "done"
"""The last line of the log of a job that ended well."""


class Finished(Exception):
    """What the command makes is there: it ends well at once."""


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

    Messages are best effort: a log that cannot be written ends no work. It is held meanwhile, as a sign of life.
    """
    hold(STDERR)
    with plain_streams():
        parsed = arguments.parse_args()
        check_apart(arguments, parsed)
        print("command:", shlex.join(["python", *sys.argv]), file=sys.stderr, flush=True)
        with errors_in_words("; the same command goes on from the last state saved"):
            with suppress(Finished):
                main(parsed)
            print(DONE, file=sys.stderr, flush=True)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Within, messages are best effort, and plain text."""
    with redirect_stdout(Plain(BestEffort(sys.stdout))), redirect_stderr(Plain(BestEffort(sys.stderr))):
        yield


@contextmanager
def warnings_in_words() -> Iterator[None]:
    """Within, a warning is one line, without the place in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *about: print(f"warning: {message}", file=sys.stderr)
        yield


@contextmanager
def errors_in_words(after_ending: str = "") -> Iterator[None]:
    """Turn an error made for people, and a request to end, into one line and an exit status.

    Args:
        after_ending: what the line says besides, of a request to end.
    """
    try:
        with interruptible():
            yield
    except SeqmatchError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and not error.filename2 else str(error))
    except Interrupted as request:
        print(f"ended by {request}{after_ending}", file=sys.stderr, flush=True)
        sys.exit(request.status)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        _fail(
            f"out of memory ({in_short(error)}), {peak_memory()} of main memory; give the job more (mem_mb, or a "
            "larger GPU), or lower what its memory follows from: batch_size, synthetic_batch, the width of the "
            "network, image_size (most of all with `normalization: zca`), networks_per_shard, snapshots, or records"
        )


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


def check_apart(arguments: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Refuse to write over a file that is read, or that is written already: it would be lost."""
    reads = [read for read in _paths(arguments, parsed, (path,)) if os.path.exists(read)]  # others may be names of sets
    taken = {os.path.realpath(read) for read in reads}
    for written in _paths(arguments, parsed, (file, set_file, new_folder, table_file, figure_file)):
        place = os.path.realpath(written)
        within = any(os.path.isdir(read) and Path(place).is_relative_to(read.resolve()) for read in reads)
        if place in taken or (within and os.path.exists(written)):
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


def _is_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(item, Path) for item in value))
