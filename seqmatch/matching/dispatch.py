"""Which way to match exactly: by one graph where its memory is small, else by the adjoint; compiled where that pays."""

import math
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from seqmatch.config import CompileMode
from seqmatch.errors import in_short, ran_out_of_memory
from seqmatch.matching.derivatives import Derivatives, classifier, compiled, eager
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Unroll, adjoint, first_order, one_graph
from seqmatch.runtime.budget import NUMBER_BYTES, budget_of, chunk_size, spare_memory
from seqmatch.runtime.compilation import pays
from seqmatch.runtime.recording import recorded


def best_unroll(
    network: nn.Module,
    mode: CompileMode,
    activations: Sequence[int],
    batch: int,
    steps: int,
    matches: int,
    device: torch.device,
    kept_memory: float | None = None,
) -> Unroll:
    """How to differentiate through the steps of a student that descends the network's cross-entropy.

    Args:
        network: only its structure matters.
        activations: numbers that each of its convolutions writes for one image.
        batch: images per student step.
        steps: student steps per match.
        matches: in the whole of the work.
        kept_memory: GB for what the steps computed, and the adjoint needs again; None: what the device can spare.
    """
    numbers, budget, student = batch * sum(activations), budget_of(device), classifier(network)
    unrolled = steps * numbers * budget.graph_numbers * NUMBER_BYTES <= budget.graph_bytes
    saved = matches * steps * (budget.saved_per_step + numbers * budget.saved_per_matched_number)
    compiling = pays(mode, saved * (budget.saved_over_one_graph if unrolled else 1), device)

    def ways() -> Iterator[Unroll]:
        if unrolled and not compiling:
            yield partial(one_graph, student)
        every = stride(steps, sum(shape.numel() for shape in student.shapes), device)
        chunk = chunk_size(batch, activations, device)
        kept = 0 if unrolled and not compiling else steps_kept(steps, numbers, compiling, device, kept_memory)
        while chunk:
            handed = [recorded] if chunk * sum(activations) <= budget.recorded_numbers else []
            kernel = compiled(student.loss, chunk, mode == "auto", *handed) if compiling else eager(student.loss)
            way = partial(adjoint, Derivatives(student.shapes, kernel, chunk), every)
            if kept:
                yield partial(way, kept=kept)
                kept = 0
            yield way
            chunk //= 2

    return first_that_fits(ways())


def first_order_unroll(network: nn.Module, activations: Sequence[int], batch: int, device: torch.device) -> Unroll:
    """The first-order gradient, which is for comparison: never compiled.

    Args:
        network, activations, batch: as of `best_unroll`.
    """
    student = classifier(network)
    derivatives = Derivatives(student.shapes, eager(student.loss), chunk_size(batch, activations, device))
    return partial(first_order, derivatives)


def first_that_fits(ways: Iterator[Unroll]) -> Unroll:
    """The first way, and where memory is not enough for it the next, and so on; all give the same up to rounding.

    Args:
        ways: each takes less memory than the one before it.
    """
    way = next(ways)

    def match(*arguments) -> Match:
        nonlocal way
        while True:
            try:
                return way(*arguments)
            except (MemoryError, RuntimeError) as error:
                following = next(ways, None) if ran_out_of_memory(error) else None
                if following is None:
                    raise
                reason = in_short(error)
            print(f"warning: matching goes on in smaller chunks ({reason})", file=sys.stderr, flush=True)
            way = following
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    return match


def classes_at_once(
    real: int, synthetic: int, activations: Sequence[int], parameters: int, device: torch.device
) -> int:
    """Classes whose gradients are matched as one batch: as many as fit in memory, or one where few do.

    Args:
        real, synthetic: images per class.
        activations: numbers that each convolution writes for one image.
        parameters: of the network.
    """
    budget = budget_of(device)
    numbers = (real + 2 * synthetic) * sum(activations) * budget.class_numbers  # real ones are differentiated once
    numbers += 4 * parameters  # a class's own, its two gradients, and the gradient of their distance
    classes = budget.class_bytes // (NUMBER_BYTES * numbers)
    return classes if classes >= budget.fewest_classes else 1


def stride(steps: int, parameters: int, device: torch.device) -> int:
    """The least s for which memory holds every s-th of `steps` vectors of `parameters` numbers and s more, ≤ √steps."""
    allowed = budget_of(device).kept_bytes // (NUMBER_BYTES * parameters)
    longest = math.ceil(math.sqrt(steps))
    return next((s for s in range(1, longest) if -(-steps // s) + s - 1 <= allowed), longest)


def steps_kept(steps: int, numbers: int, compiling: bool, device: torch.device, memory: float | None) -> int:
    """How many of `steps` steps memory holds what they computed, as far as their derivatives need it.

    Args:
        numbers: that the convolutions of a step write.
        memory: GB; None: what the device can spare.
    """
    budget = budget_of(device)
    per_step = numbers * NUMBER_BYTES * (budget.kept_numbers if compiling else budget.graph_numbers)
    return min(steps, int((spare_memory(device) if memory is None else memory * 1e9) // per_step))
