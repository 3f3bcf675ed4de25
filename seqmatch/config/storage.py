"""How a budget of images is divided into subsets, and what each of them stores of it. Imports no torch."""

import math
from collections.abc import Sequence

from seqmatch.config.sections import Started, Stored
from seqmatch.errors import SeqmatchError

HALLUCINATOR_KERNEL = 3
"""Pixels of a side of a hallucinator's convolutions."""

Shape = tuple[int, int, int]
"""(C, H, W) of an image."""


def subset_sizes(ipc: int, given: Sequence[int | None]) -> list[int]:
    """Images per class of each of K subsets: as given, and of the others near-equal, the larger ones first (50 in 3:
    17, 17, 16).

    Args:
        given: the size of each subset, None where it is open.

    Raises:
        ValueError: they do not add up to `ipc`, or leave an open one without an image.
    """
    fixed, count = sum(size or 0 for size in given), given.count(None)
    left = ipc - fixed
    if not given or (left < count if count else left != 0):
        what = f"{len(given)} subsets" + (f" of which {len(given) - count} have {fixed} together" if fixed else "")
        raise ValueError(f"{ipc} images per class cannot be divided into {what}")
    near_equal = (left // count + (k < left % count) for k in range(count))
    return [next(near_equal) if size is None else size for size in given]


def stored_per_class(stage: Stored, ipc: int, classes: int, shape: Shape) -> int:
    """Stored images of each class in a subset whose budget is that of `ipc` images of each.

    Sums of memories are as many as leave all numbers within the budget (Deng & Russakovsky 2022); 0 where the memories
    alone are beyond it.
    """
    if stage.parameterisation != "memories":
        return ipc
    budget = ipc * classes * math.prod(shape) - decoder_numbers(stage, shape)
    return max(budget // (classes * stage.memories), 0)


def started_per_class(stage: Stored, ipc: int, classes: int, shape: Shape) -> int:
    """Real images of each class that such a subset starts from, or places of noise."""
    mixed = stage.formation**2 if stage.parameterisation == "multi-formation" else 1
    return mixed * stored_per_class(stage, ipc, classes, shape)


def new_images(stages: Sequence[Stored], sizes: Sequence[int], classes: int, shape: Shape) -> list[int]:
    """Decoded images of S_1, of S_2, and so on, where subsets have `sizes` images per class."""
    return [
        classes * stage.held * stored_per_class(stage, ipc, classes, shape)
        for stage, ipc in zip(stages, sizes, strict=True)
    ]


def needs_real(stage: Started) -> bool:
    """Whether it starts from real images, or takes the number of its images from them."""
    return not (stage.parameterisation == "memories" and stage.initial == "noise")


def stored_numbers(stage: Stored, ipc: int, classes: int, shape: Shape) -> int:
    """Numbers that such a subset stores, its labels aside."""
    each = stage.memories if stage.parameterisation == "memories" else math.prod(shape)
    return classes * stored_per_class(stage, ipc, classes, shape) * each + decoder_numbers(stage, shape)


def decoder_numbers(stage: Stored, shape: Shape) -> int:
    """Those that are stored once for all images of a subset."""
    channels, height, width = shape
    if stage.parameterisation == "memories":
        return stage.memories * channels * (height // stage.memory_scale) * (width // stage.memory_scale)
    if stage.parameterisation == "hallucinators":
        kernels = 2 * (channels**2 * HALLUCINATOR_KERNEL**2 + channels)
        maps = 2 * channels * (height - HALLUCINATOR_KERNEL + 1) * (width - HALLUCINATOR_KERNEL + 1)
        return stage.hallucinators * (kernels + maps)
    return 0


def check_stored(stages: Sequence[Stored], ipc: int, classes: int, shape: Shape, place: str) -> None:
    """Whether images of this shape can be stored so.

    Args:
        ipc: of all stages together.
        place: where the stages are set, for the message.

    Raises:
        SeqmatchError: they cannot.
    """
    sizes = subset_sizes(ipc, [stage.size for stage in stages])
    for index, (stage, size) in enumerate(zip(stages, sizes, strict=True)):
        if stage.parameterisation != "memories":
            continue
        if any(side % stage.memory_scale for side in shape[1:]):
            raise SeqmatchError(
                f"{place}.stages[{index}].memory_scale = {stage.memory_scale}: images of {shape[1]}×{shape[2]} pixels "
                "are no whole multiple of it"
            )
        if stored_per_class(stage, size, classes, shape) < 1:
            raise SeqmatchError(
                f"{place}.stages[{index}].memories = {stage.memories}: they leave no room for sums of them in the "
                f"budget of ipc {size}; use fewer, or a larger memory_scale"
            )
