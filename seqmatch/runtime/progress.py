"""Progress of long work: a bar on a terminal; in a log one line now and then, also while a single step takes long.

All of it is best effort: a full disk, a closed terminal or a lack of threads end no work.
"""

import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
SECONDS_OF_SILENCE = 60.0


class BestEffort:
    """A stream for messages: what cannot be written is lost.

    Args:
        stream: None where the process was started without one.
    """

    def __init__(self, stream: TextIO | None):
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            with suppress(OSError, ValueError):  # the latter where it is closed
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress(tqdm):
    """tqdm that shows the peak memory, and writes whole lines when its output is not a terminal."""

    def __init__(self, iterable: Iterable | None = None, **options):
        stream = BestEffort(sys.stderr)
        self.on_terminal = stream.isatty()
        self._ended, self._written, self._begun = Event(), Event(), False
        pace = {} if self.on_terminal else {"mininterval": SECONDS_BETWEEN_LINES, "miniters": 1, "ascii": True}
        super().__init__(iterable, file=stream, dynamic_ncols=self.on_terminal, **pace, **options)
        if not self.on_terminal:
            with suppress(RuntimeError):  # no thread can be started: there will be silence
                Thread(target=self._break_silence, daemon=True).start()

    def update(self, n: float = 1) -> bool | None:
        """In a log the first step that is done is shown at once: the work goes on, and can be saved."""
        shown = super().update(n)
        if n and not self.on_terminal and not self._begun:
            self._begun = True
            self.display()
        return shown

    @property
    def format_dict(self) -> dict:
        shown = super().format_dict
        memory = peak_memory()
        return shown | {"postfix": ", ".join(part for part in (shown["postfix"], memory) if part)}

    def display(self, *arguments, **options):
        if self.on_terminal:
            return super().display(*arguments, **options)
        self._written.set()
        self.fp.write(f"{self}\n")
        self.fp.flush()
        return True

    def close(self):
        self._ended.set()
        if not self.on_terminal and not self.disable:
            self.display()
            self.disable = True
        super().close()

    def _break_silence(self) -> None:
        while not self._ended.wait(SECONDS_OF_SILENCE):
            if not self._written.is_set():
                self.display()
            self._written.clear()


def peak_memory() -> str:
    """The most memory that this process has used, in words; empty where the system does not say."""
    peak = peak_bytes()
    return "" if peak is None else f"peak {peak / 2**30:.2f} GiB"


def peak_bytes() -> int | None:
    """The same as a number, or None.

    From Linux's own count where there is one: that of `getrusage` begins with the memory of the parent process.
    """
    with suppress(OSError):  # another system, or too many open files
        if counted := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8", "replace")):
            return int(counted[1]) * 1024
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
