"""What a device can hold and how fast it is, in constants: to tune for another machine, edit here alone.

Those of the CPU were measured on two cores of an AMD EPYC, some of those of GPUs on an H200 (docs/performance.md); the
others are guesses. None depends on a clock, so that a resumed run makes the same choices; how large chunks are on a CPU
is measured, once (calibration.py).
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from seqmatch.config.sections import MOST_KEPT
from seqmatch.errors import SeqmatchError
from seqmatch.runtime import calibration

NUMBER_BYTES = 4
"""Bytes of a float32."""

POOLING_NUMBERS = 2**16
"""Numbers from which our pooling is faster on a CPU than PyTorch's: below, it gains less than a call of Python costs.
Measured. GPUs always use PyTorch's."""


MOST_JOINED = 16
"""Networks that are trained as one, at most: more gain nothing. Measured on a CPU."""


@dataclass(frozen=True)
class Budget:
    """The constants of one type of device. "Numbers" are float32, and those that convolutions write."""

    graph_bytes: int
    """Bytes of one graph through all student steps; a larger one is replaced by the adjoint. Chosen: small beside the
    memory of such devices."""
    class_bytes: int
    """Bytes of the gradients of the classes that are matched as one batch. CPU: measured, above it calls cost little.
    GPU: guessed."""
    kept_bytes: int
    """Bytes of the parameter vectors θ_i that the adjoint keeps, before it computes some twice. CPU: chosen, so that
    memory hardly grows with the student steps (docs/performance.md). GPU: guessed."""
    saved_per_step: float
    """Seconds that compiling saves per student step of the adjoint, in calls. CPU: measured, none. GPU: measured, over
    one graph."""
    saved_per_matched_number: float
    """Seconds that compiling saves per number and student step of the adjoint. CPU: measured. GPU: measured, over one
    graph."""
    saved_per_trained_number: float
    """Seconds that compiling saves per number and image of training. CPU: measured, in chunks. GPU: measured."""
    saved_over_one_graph: float = 1 / 3
    """Share of the seconds above that compiling the adjoint saves where one graph, eager, is the other choice. CPU:
    measured. GPU: all, since that is what was measured; the eager adjoint takes longer."""
    compiling_seconds: float = 30.0
    """Seconds that compiling costs per process. CPU: measured, 5 to 20 with a warm cache on disk, 20 to 60 with a cold
    one. GPU: measured, 5 to 10 with a cold one and eight threads."""
    graph_numbers: int = 6
    """Numbers in that one graph per number that a convolution writes. Measured: what autograd keeps, on any device."""
    class_numbers: int = 5
    """Numbers in the graph of the gradients of classes per number that a convolution writes. Measured likewise."""
    kept_numbers: float = 1.3
    """Numbers that a compiled step keeps for its derivatives per number that a convolution writes. Counted for
    ConvNets: what convolutions write, and the gradients of what they read, which pooling made a quarter."""
    fewest_classes: int = 5
    """Classes as one batch: fewer take longer than one after the other, since a batch costs copies. CPU: measured. GPU:
    guessed."""
    joined_numbers: int = 0
    """Numbers that the convolutions of networks that are trained as one may write for a minibatch, all together. CPU:
    measured. GPU: not measured, so that none are joined."""
    recorded_numbers: int = 0
    """Numbers that the convolutions of a chunk may write where the calls of a student step are recorded and replayed as
    one: of larger ones the arithmetic takes longer than the calls. CPU: none. GPU: measured up to 3.4 million."""
    chunk_bytes: int | None = None
    """Bytes that the widest convolution may write for one chunk. None: measured on the machine. GPU: guessed."""
    spare_bytes: int | None = None
    """Bytes of all that student steps may keep. None: a share of main memory. GPU: guessed."""


BUDGETS = {
    "cpu": Budget(
        graph_bytes=2**29,
        class_bytes=2**26,
        kept_bytes=5 * 2**23,
        saved_per_step=0.0,
        saved_per_matched_number=1.5e-8,
        saved_per_trained_number=1.5e-9,
        joined_numbers=2**20,
    ),
    "cuda": Budget(
        graph_bytes=2**33,
        class_bytes=2**33,
        kept_bytes=2**31,
        saved_per_step=3e-3,
        saved_per_matched_number=1.2e-10,
        saved_per_trained_number=2.5e-11,
        saved_over_one_graph=1.0,
        compiling_seconds=10.0,
        recorded_numbers=2**23,
        chunk_bytes=2**29,
        spare_bytes=2**33,
    ),
}
"""By `torch.device.type`."""


def budget_of(device: torch.device) -> Budget:
    """The constants of the device's type.

    Raises:
        SeqmatchError: there are none.
    """
    if device.type not in BUDGETS:
        raise SeqmatchError(
            f"seqmatch computes on {' or '.join(BUDGETS)}, not on {device.type}; "
            "for another type of device add its constants to seqmatch/runtime/budget.py"
        )
    return BUDGETS[device.type]


def main_memory() -> int:
    """Bytes of main memory that this process may use at most: the machine's, or what its control group allows."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        own = Path("/proc/self/cgroup").read_text("utf-8", "replace").splitlines()[-1].split(":", 2)[2].lstrip("/")
        for folder in (group / own, *(group / own).parents):
            with suppress(OSError, ValueError):  # `max` is no number
                memory = min(memory, int((folder / "memory.max").read_text("ascii")))
    return memory


def spare_memory(device: torch.device) -> float:
    """Bytes that a job may take to save time: on a CPU an eighth of main memory, or of its share for these threads, but
    no more than planning counts on.

    It depends on the machine and the threads alone, not on what other processes use.
    """
    spare = budget_of(device).spare_bytes
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return spare or min(main_memory() / 8 * min(torch.get_num_threads() / cores, 1), MOST_KEPT * 1e9)


def chunk_size(batch: int, activations: Sequence[int], device: torch.device) -> int:
    """Images per chunk: as many as are fast, or down to half as many where the last chunk then lacks fewer images.

    Args:
        activations: numbers that each convolution writes for one image.
    """
    per_image = NUMBER_BYTES * max(activations, default=1)
    allowed = budget_of(device).chunk_bytes or calibration.chunk_bytes(batch * per_image)
    fewest = -(-batch // max(allowed // per_image, 1))
    sizes = [-(-batch // chunks) for chunks in range(fewest, 2 * fewest)]
    return min(sizes, key=lambda size: -batch % size)


def joined_networks(batch: int, activations: Sequence[int], device: torch.device) -> int:
    """How many networks are trained as one, at most: 1 where minibatches are large.

    Args:
        activations: numbers that each convolution writes for one image.
    """
    return max(min(budget_of(device).joined_numbers // (batch * sum(activations)), MOST_JOINED), 1)
