"""Kernel inducing points (KIP, Nguyen et al. 2021), one iteration after the other.

Kernel ridge regression on the union of all synthetic images predicts the labels of real ones. There is no network, and
no teacher: a later subset makes up for what the subsets before it predict wrongly, whatever a network would learn when.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.config.methods import OBJECTIVES, Images
from seqmatch.distillation.step import Problem, Step, some
from seqmatch.errors import SeqmatchError
from seqmatch.matching.kernels import Kernel
from seqmatch.matching.match import Match
from seqmatch.matching.regression import centred, match_regression
from seqmatch.runtime.budget import main_memory
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled
from seqmatch.transforms import dsa


def make_step(problem: Problem) -> Step:
    """Match by the kernel that the section names.

    Raises:
        SeqmatchError: this machine has not the memory for it.
    """
    _check_memory(problem)
    return kernel_step(problem.real(), problem.labels, problem.matching, problem.augmentation, problem.seed)


def _check_memory(problem: Problem) -> None:
    """A GPU says so itself."""
    shape, synthetic, matching = problem.dataset.shape, len(problem.labels), problem.matching
    images = Images(problem.dataset.classes, 0, problem.new, synthetic, shape[1] * shape[2])
    needed = OBJECTIVES["kernel"].memory(matching, images)
    if problem.device.type == "cpu" and needed > main_memory():
        raise SeqmatchError(
            f"kernel = {matching.kernel}: of {synthetic} images of {shape[1]}×{shape[2]} pixels it takes "
            f"{needed / 1e9:.1f} GB, and {main_memory() / 1e9:.1f} GB can be used here; use another kernel, a "
            "smaller ipc, or an image_size of the data set"
        )


def kernel_step(
    real: Labelled, labels: Tensor, matching: config.KernelMatching, augmentation: Sequence[str], seed: Seed
) -> Step:
    """Match by the error on real images of kernel ridge regression.

    Each iteration has `matching.real_batch` real images of each class, which share one draw of DSA; the synthetic ones
    stay as they are.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        labels: of all synthetic images, classes (n,) or shares of classes (n, classes).
    """
    images, real_labels = real
    real_index = by_class(real_labels).values()
    kernel, classes = Kernel(matching.kernel, matching.kernel_depth), len(real_index)

    def step(synthetic: Tensor, step_size: float, iteration: int, labels: Tensor = labels) -> Match:
        generator = (seed / iteration).generator()
        batch = torch.cat([some(index, matching.real_batch, generator) for index in real_index])
        seen = dsa.apply(dsa.draw(augmentation, 1, generator), images[batch])
        own, targets = centred(labels, classes), centred(real_labels[batch], classes)
        return match_regression(kernel, synthetic, own, seen, targets, matching.ridge)

    return step
