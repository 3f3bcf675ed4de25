"""When PyTorch's compiler pays, and how a function is given to it.

Compiling costs tens of seconds per process (less once its cache on disk is warm) and fuses everything between the
convolutions. Short work therefore runs eagerly, one operator after the other. The choice depends on the size of
the work alone, never on a clock, so that a resumed run makes the same choice.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from seqmatch.config import CompileMode
from seqmatch.errors import SeqmatchError, in_short
from seqmatch.runtime.budget import budget_of

SHAPES = 64
"""Each stage may have its own, and each precision."""

_TRACING = ContextVar("_TRACING", default=False)


def fuses() -> bool:
    """Whether what runs is being compiled, so that small operators cost nothing."""
    # In this order: not every version of PyTorch can compile the second question.
    return torch.compiler.is_compiling() or _TRACING.get()


@contextmanager
def tracing() -> Iterator[None]:
    """Within, what runs is written down, to be compiled later."""
    token = _TRACING.set(True)
    try:
        yield
    finally:
        _TRACING.reset(token)


def pays(mode: CompileMode, seconds_saved: float, device: torch.device) -> bool:
    """Whether to compile work that would thereby end `seconds_saved` earlier, by a rough estimate."""
    return mode == "always" or (mode == "auto" and seconds_saved > budget_of(device).compiling_seconds)


def compile_function(function: Callable, instead: Callable | None = None) -> Callable:
    """`function` compiled for the shapes it is called with: at most `SHAPES` of them.

    Args:
        instead: called from then on if compiling fails (no C++ compiler, an unsupported machine), with a warning.

    Raises:
        SeqmatchError: on the first call, if compiling fails and there is nothing to call instead.
    """
    chosen: Callable | None = None

    @functools.wraps(function)
    def call(*arguments):
        nonlocal chosen
        if chosen is not None:
            return chosen(*arguments)
        # No pool of processes beside a single job, but for a GPU's kernels, which are compiled one by one.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "8" if torch.cuda.is_initialized() else "1")
        torch.compiler.config.recompile_limit = SHAPES
        print(
            "compiling the inner loop (once per job, about a minute, less if it was compiled before; `compile: never` "
            "skips it)",
            file=sys.stderr,
            flush=True,
        )
        compiled = torch.compile(function, dynamic=False, fullgraph=True)
        try:
            result = compiled(*arguments)
        except Exception as error:  # the compiler's failures have no common type
            if instead is None:
                raise SeqmatchError(
                    f"PyTorch's compiler failed ({in_short(error)}); on a CPU it needs a C++ compiler such as g++; "
                    "install one, or set compile: never"
                ) from error
            said = f"warning: running without the compiler, which failed: {in_short(error)}"
            print(said, file=sys.stderr, flush=True)
            chosen = instead
            return instead(*arguments)
        chosen = compiled
        return result

    return call
