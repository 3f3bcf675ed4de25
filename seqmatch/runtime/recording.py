"""Calls recorded once on a GPU and replayed as one, for work whose calls take longer than its arithmetic."""

import functools
import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqmatch.errors import in_short, ran_out_of_memory

Function = Callable[..., Sequence[Tensor]]
"""Of tensors; the shapes of its results follow from theirs, and it draws nothing."""

Capture = Callable[[Function, Sequence[Tensor]], tuple[Sequence[Tensor], Callable[[], object]]]
"""A function and the tensors that it always reads, to those that it always writes and what computes it once more."""


def capture(function: Function, inputs: Sequence[Tensor]) -> tuple[Sequence[Tensor], Callable[[], object]]:
    """A function of tensors on a GPU as one CUDA graph.

    Raises:
        RuntimeError: it cannot be recorded, or the GPU has no memory left.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what libraries set up on their first calls cannot be recorded
        function(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function(*inputs)
    return outputs, graph.replay


def recorded(function: Function, capture: Capture = capture) -> Function:
    """The same function, recorded for each set of shapes when it is called with them a second time.

    Where recording fails, it goes on as it was, with a warning. What it returns is the caller's own.

    Raises:
        RuntimeError: on the second call, where memory is not enough for what is recorded.
    """
    recordings: dict[tuple, Function | None] = {}

    @functools.wraps(function)
    def call(*tensors: Tensor) -> Sequence[Tensor]:
        key = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if key not in recordings:
            recordings[key] = None
            return function(*tensors)
        if recordings[key] is None:
            recordings[key] = _recording(function, tensors, capture)
        return recordings[key](*tensors)

    return call


def _recording(function: Function, tensors: Sequence[Tensor], capture: Capture) -> Function:
    inputs = [tensor.clone() for tensor in tensors]
    try:
        outputs, replay = capture(function, inputs)
    except RuntimeError as error:
        if ran_out_of_memory(error):
            raise
        print(f"warning: the GPU is given every call by itself: {in_short(error)}", file=sys.stderr, flush=True)
        return function

    def call(*tensors: Tensor) -> Sequence[Tensor]:
        _copy(inputs, tensors)
        replay()
        own = [torch.empty_like(tensor) for tensor in outputs]
        _copy(own, outputs)
        return own

    return call


def _copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Numbers of one type at once, so that many tensors take one call."""
    pairs = list(zip(targets, sources, strict=True))
    for dtype in dict.fromkeys(tensor.dtype for tensor in targets):
        alike = [pair for pair in pairs if pair[0].dtype == dtype]
        torch._foreach_copy_([target for target, _ in alike], [source for _, source in alike])
