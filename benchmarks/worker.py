"""One process of the benchmarks: does the work of one case in one way, and prints what it took as JSON."""

import json
import resource
import sys
import time
from pathlib import Path

import torch

from benchmarks import cases, peer
from benchmarks.cases import PLAIN, TASKS
from seqmatch.runtime import device as devices
from seqmatch.runtime.precision import set_full_precision
from seqmatch.runtime.progress import peak_bytes


def main(task: str, sizes: dict, way: str, loops: int, threads: int, gpus: int, checkout: str | None = None) -> dict:
    """Seconds of the first call (compilation included) and of each later one, and the peak memory in MB."""
    if checkout:
        cases.CHECKOUT = Path(checkout)
    if way in (PLAIN, peer.NAME):
        torch.set_num_threads(threads)
        set_full_precision()  # not the habit of such code on a GPU, but the same arithmetic
        device = torch.device("cuda" if gpus else "cpu")
    else:
        device = devices.prepare(gpus, threads)
    work = TASKS[task](way, device, **sizes)
    before = _peak_megabytes(device)
    seconds = [_seconds(work, device) for _ in range(loops + 1)]
    return {"first": seconds[0], "seconds": seconds[1:], "megabytes": _peak_megabytes(device), "before": before}


def _seconds(work, device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _peak_megabytes(device: torch.device) -> float:
    """Of the process or its largest child on a CPU, of the allocator on a GPU.

    Linux counts a child's from what this process used when it started the child.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return max(peak_bytes(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024) / 1e6


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
