"""A request to end, as an exception: what is under way can save itself.

It comes by SIGTERM, Ctrl-C, or a terminal that is closed (SIGHUP).

The exception is raised at once, wherever the main thread is. Where a library swallows it (in a callback from C),
the next `check` raises it again; where a library fails of it (between two halves of a context of PyTorch's), that
failure counts as the request.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))

_received: list[int] = []


class Interrupted(BaseException):
    """The process was asked to end; `status` is what it should exit with."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into `Interrupted`, and ignore further ones while the process ends in order.

    A signal that the process was started to ignore (`nohup`, a script's background job) stays ignored.

    Raises:
        Interrupted: a signal came, and ended what is within, as itself or as an error that follows from it.
    """
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    except Exception:
        check()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def check() -> None:
    """Raise `Interrupted` if a signal came."""
    if _received:
        raise Interrupted(_received[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if len(_received) == 1:
        raise Interrupted(number)
