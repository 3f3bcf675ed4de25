"""Which way to match: by one graph where its memory is small, else by the adjoint; compiled where that pays."""

import math
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from seqmatch.config import CompileMode
from seqmatch.errors import ran_out_of_memory
from seqmatch.matching.derivatives import Derivatives, classification_loss, compiled, eager
from seqmatch.matching.trajectory import Match, MatchTrajectory, match_adjoint, match_unrolled
from seqmatch.runtime.budget import NUMBER_BYTES, chunk_size
from seqmatch.runtime.compilation import pays

GRAPH_BYTES = {"cpu": 2**29, "cuda": 2**33}
"""What one graph through all steps may take."""

GRAPH_NUMBERS = 6
"""That graph's numbers for each one that a convolution writes; measured (docs/performance.md)."""

CLASSES_BYTES = {"cpu": 2**26, "cuda": 2**33}
"""What the gradients of classes that are one batch may take: on a CPU calls cost little where it is more."""

CLASS_NUMBERS = 5
"""Their graph's numbers for each one that a convolution writes; measured."""

KEPT_BYTES = {"cpu": 5 * 2**23, "cuda": 2**31}
"""What the parameter vectors θ_i of the adjoint may take, before some are computed twice."""

SAVED_PER_STEP = {"cpu": 0.0, "cuda": 2e-3}
SAVED_PER_ACTIVATION = {"cpu": 1.5e-8, "cuda": 3e-11}
"""Seconds that compiling the adjoint saves; measured for the CPU (docs/performance.md), for GPUs guessed from the speed
of memory and from the calls that are saved (`python -m benchmarks.launches`), 5 µs each."""

SAVED_OVER_ONE_GRAPH = 1 / 3
"""Of these, what it saves against one graph through all steps, eager: measured likewise."""


def best_match(
    network: nn.Module,
    mode: CompileMode,
    activations: Sequence[int],
    batch: int,
    steps: int,
    matches: int,
    device: torch.device,
) -> MatchTrajectory:
    """How to match trajectories of the network's cross-entropy.

    Args:
        network: only its structure matters.
        activations: numbers that each of its convolutions writes for one image.
        batch: images a student step.
        steps: student steps a match.
        matches: in the whole of the work.
    """
    numbers = batch * sum(activations)
    unrolled = steps * numbers * GRAPH_NUMBERS * NUMBER_BYTES <= GRAPH_BYTES[device.type]
    saved = matches * steps * (SAVED_PER_STEP[device.type] + numbers * SAVED_PER_ACTIVATION[device.type])
    compiling = pays(mode, saved * (SAVED_OVER_ONE_GRAPH if unrolled else 1))
    loss, parameters = classification_loss(network), sum(parameter.numel() for parameter in network.parameters())

    def ways() -> Iterator[MatchTrajectory]:
        if unrolled and not compiling:
            yield partial(match_unrolled, loss)
        chunk = chunk_size(batch, activations, device)
        while chunk:
            kernel = compiled(loss, chunk, fall_back=mode == "auto") if compiling else eager(loss)
            yield partial(match_adjoint, Derivatives(kernel, chunk), stride(steps, parameters, device))
            chunk //= 2

    return first_that_fits(ways())


def first_that_fits(ways: Iterator[MatchTrajectory]) -> MatchTrajectory:
    """The first way, and where memory is not enough for it the next, and so on; all give the same up to rounding.

    Args:
        ways: each takes less memory than the one before it.
    """
    way = [next(ways)]

    def match(*arguments) -> Match:
        while True:
            try:
                return way[0](*arguments)
            except (MemoryError, RuntimeError) as error:
                following = next(ways, None) if ran_out_of_memory(error) else None
                if following is None:
                    raise
                reason = str(error).splitlines()[0]
            print(f"warning: matching goes on in smaller pieces ({reason})", file=sys.stderr, flush=True)
            way[0] = following
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    return match


def classes_at_once(
    real: int, synthetic: int, activations: Sequence[int], parameters: int, device: torch.device
) -> int:
    """Classes whose gradients are matched as one batch: as many as memory likes.

    Args:
        real, synthetic: images of a class.
        activations: numbers that each convolution writes for one image.
        parameters: of the network.
    """
    numbers = (real + 2 * synthetic) * sum(activations) * CLASS_NUMBERS  # real ones are differentiated once
    numbers += 4 * parameters  # a class's own, its two gradients, and the gradient of their distance
    return max(CLASSES_BYTES[device.type] // (NUMBER_BYTES * numbers), 1)


def stride(steps: int, parameters: int, device: torch.device) -> int:
    """Keep every how many-th of `steps` vectors of `parameters` numbers: the fewest that memory allows, ≤ √steps."""
    allowed = KEPT_BYTES[device.type] // (NUMBER_BYTES * parameters)
    longest = math.ceil(math.sqrt(steps))
    return next((s for s in range(1, longest) if -(-steps // s) + s - 1 <= allowed), longest)
