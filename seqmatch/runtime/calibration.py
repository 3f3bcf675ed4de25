"""How large chunks of images are fastest on this machine's processor: measured once, and kept for all later runs.

Small chunks fit the caches, large ones cost fewer calls, and which gains more differs from processor to processor
(docs/performance.md). What is computed is the same up to rounding. So that a run repeats to the bit, a user measures
once for a processor, a number of threads and a version of PyTorch, and whoever comes later reads it.
"""

import functools
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F

from seqmatch.errors import SeqmatchError
from seqmatch.runtime.processor import processor

CHOICES = (2**22, 2**24, 2**26)
"""Bytes that the widest convolution may write for one chunk."""
OTHERWISE = 2**24
"""Where nothing can be kept: one choice for every run."""
WORTH = 0.03
"""Share of the time that larger chunks must save, since they take more memory."""
ROUNDS = 3
"""Timed passes of each choice, after one that is not counted."""
WIDTH, PIXELS = 128, 32
"""Of the network that is timed, which takes 5 to 10 seconds."""

VARIABLE = "SEQMATCH_CHUNK_MB"


def chunk_bytes(whole: int) -> int:
    """Bytes that the widest convolution may write for one chunk: what `SEQMATCH_CHUNK_MB` says, or what was measured.

    Args:
        whole: bytes that it writes for all images. Where the smallest choice holds them, nothing is measured.

    Raises:
        SeqmatchError: the variable is no number above 0.
    """
    demanded = os.environ.get(VARIABLE)
    if not demanded:
        if whole <= min(CHOICES):
            return min(CHOICES)
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return _measured_once(Path(cache) / "seqmatch", torch.get_num_threads())
    with suppress(ValueError, OverflowError):
        if (size := int(float(demanded) * 2**20)) > 0:
            return size
    raise SeqmatchError(f"{VARIABLE}={demanded}: expected megabytes, a number above 0; without it, they are measured")


@functools.cache
def _measured_once(folder: Path, threads: int) -> int:
    machine = {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "torch": torch.__version__,
    }
    file = folder / f"chunks-{re.sub('[^A-Za-z0-9.]+', '-', '-'.join(map(str, machine.values())))}.json"
    known = _read(file)
    if known is not None:
        return known
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.exists() and _read(file) is None:
            file.unlink()
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder) as draft:
            print(
                f"measuring how large chunks of images are fastest here (once, kept in {file}; {VARIABLE} sets it)",
                file=sys.stderr,
                flush=True,
            )
            seconds = measure(CHOICES)
            json.dump(machine | {"chunk_bytes": smallest(seconds), "seconds": seconds}, draft, indent=1)
            draft.flush()
            _keep(Path(draft.name), file)
    except OSError:
        return OTHERWISE
    return _read(file) or OTHERWISE


def _read(file: Path) -> int | None:
    """What the file says; None where it is not there, or not one of ours."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(file.read_text("utf-8"))["chunk_bytes"]
        return found if found in CHOICES else None
    return None


def _keep(draft: Path, file: Path) -> None:
    """Whole, unless another process was first: what it kept holds for both."""
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    except OSError:  # the file system has no links
        shutil.copyfile(draft, file)


def smallest(seconds: dict[int, float]) -> int:
    """The smallest size whose seconds no other undercuts by more than `WORTH`."""
    enough = min(seconds.values()) / (1 - WORTH)
    return min(size for size, taken in seconds.items() if taken <= enough)


def measure(sizes: Sequence[int]) -> dict[int, float]:
    """Least seconds of a training step of a ConvNet with chunks of each size in bytes, on as many images."""
    per_image = 4 * WIDTH * PIXELS**2
    images = max(sizes) // per_image
    taken = {size: [] for size in sizes}
    with torch.inference_mode(False), torch.enable_grad():
        draws = torch.Generator().manual_seed(0)
        data = torch.randn(images, 3, PIXELS, PIXELS, generator=draws)
        shapes = [(WIDTH, 3, 3, 3), (WIDTH, WIDTH, 3, 3), (WIDTH, WIDTH, 3, 3)]
        weights = [torch.randn(shape, generator=draws).div_(3 * shape[1] ** 0.5).requires_grad_() for shape in shapes]
        for _ in range(1 + ROUNDS):
            for size in sizes:
                start = time.perf_counter()
                for chunk in data.split(max(size // per_image, 1)):
                    torch.autograd.grad(_maps(chunk, weights).sum(), weights)
                taken[size].append(time.perf_counter() - start)
    return {size: min(times[1:]) for size, times in taken.items()}


def _maps(images: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    for weight in weights:
        maps = F.relu(F.group_norm(F.conv2d(images, weight, padding=1), WIDTH))
        rows = maps[:, :, 0::2] + maps[:, :, 1::2]  # as our networks pool: avg_pool2d would hide what chunks cost
        images = (rows[..., 0::2] + rows[..., 1::2]) / 4
    return images
