"""The one exception that is meant for the person at the keyboard, the one about the machine, and words for messages."""

import difflib
import re
from collections.abc import Collection

HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that end lines, steer terminals, turn the direction of text round, or stand for undecodable bytes."""

LONGEST_VALUE = 60
"""Characters of a value that a message quotes."""


class SeqmatchError(Exception):
    """Its message names the key, file or value at fault, what was expected and what to do.

    Scripts print the message alone, without a traceback, and exit with status 1.
    """


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a GPU or the machine had no memory left; knows PyTorch's errors by their texts."""
    texts = ("out of memory", "can't allocate memory", "Cannot allocate memory", "bad_alloc", "bad allocation")
    texts += ("ALLOC_FAILED", "ALLOCATION_FAILED")  # cuBLAS's, cuDNN's
    texts += ("could not create a primitive", "could not create a memory")  # oneDNN's, for want of memory or of support
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )


def allowed(name: object, names: Collection[str]) -> str:
    """What a message says after a name that is none of `names`: the nearest one, and all of them."""
    near = difflib.get_close_matches(str(name), names, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(names) or 'nothing'}"


def quoted(value: object) -> str:
    """A value for a message, shortened."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 1] + "…"


def in_short(error: BaseException) -> str:
    """The first two lines of what an error of others says; its name where it says nothing."""
    return " ".join((str(error).strip() or repr(error)).splitlines()[:2])


def number(count: int, noun: str) -> str:
    """A count and what it counts."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str, hidden: re.Pattern[str] = HIDDEN) -> str:
    """Text that may hold any name, with hidden characters as escapes such as `\\n`; all scripts stay as they are."""
    return hidden.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
