"""Where tensors live, how many threads a process may use, and how it holds on to memory."""

import ctypes
import os
import sys

import torch

from seqmatch.errors import SeqmatchError
from seqmatch.runtime import gpu_lock
from seqmatch.runtime.precision import set_full_precision

MALLOPT = {-3: 2**30, -1: 2**31 - 1, -2: 2**28}
"""glibc's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD, in bytes."""


def keep_freed_memory() -> None:
    """Let glibc reuse large buffers instead of returning each to the system, which would clear it anew.

    Nearly halves the time of training with large activations on a CPU; a process then keeps the most memory it ever
    used. Does nothing where the C library is another one.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "mallopt"):
        for option, size in MALLOPT.items():
            library.mallopt(option, size)


def prepare(gpus: int, threads: int) -> torch.device:
    """The device for a process that was given `gpus` GPUs and `threads` CPU threads; its memory allocator is tuned.

    Convolutions choose deterministic algorithms, so that a run can be repeated, and compute in full single precision.
    A GPU is this process's alone among those of this project, until it ends. The only one of a SLURM job is taken as it
    is: it was given to this job.

    Raises:
        SeqmatchError: a GPU is demanded and PyTorch sees none, or GPUs cannot be claimed.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    set_full_precision()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SeqmatchError(
            "a GPU is demanded (device: cuda, or --gpu 1) but PyTorch sees none; "
            "check the driver with nvidia-smi, or set device: cpu"
        )
    count = torch.cuda.device_count()
    if "SLURM_JOB_ID" in os.environ and count == 1:
        return torch.device("cuda")
    index = gpu_lock.claim([_uuid(index) for index in range(count)])
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _uuid(index: int) -> str:
    """What a GPU is called whichever way a process sees it; its number where PyTorch does not know."""
    return str(getattr(torch.cuda.get_device_properties(index), "uuid", index))
