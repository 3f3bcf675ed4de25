"""How many images are computed at a time: as many as the device's fast memory likes."""

from collections.abc import Sequence

import torch

NUMBER_BYTES = 4

CHUNK_BYTES = {"cpu": 2**22, "cuda": 2**29}
"""What the widest convolution may write for a chunk; measured for the CPU, whose caches should hold it."""


def chunk_size(batch: int, activations: Sequence[int], device: torch.device) -> int:
    """Images to a chunk: the cut of `batch` images that fills its pieces best, and of these the coarsest.

    Args:
        activations: numbers that each convolution writes for one image.
    """
    largest = max(CHUNK_BYTES[device.type] // (NUMBER_BYTES * max(activations)), 1)
    fewest = -(-batch // largest)
    sizes = [-(-batch // pieces) for pieces in range(fewest, 2 * fewest)]
    return min(sizes, key=lambda size: -batch % size)
