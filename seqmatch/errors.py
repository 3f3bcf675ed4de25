"""The one exception that is meant for the person at the keyboard, and the one that is about the machine."""

import difflib
from collections.abc import Collection


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
