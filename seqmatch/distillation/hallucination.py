"""HaBa (Liu et al. 2022): trajectory matching of what hallucinators make of images, which an adversary keeps apart.

Images are matched through one hallucinator in each of the student's steps. Besides, what two hallucinators make of the
same image shall differ in the features of an adversary, which learns to find them alike.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation import trajectory
from seqmatch.distillation.step import Problem, Step
from seqmatch.matching.contrast import class_contrast, likeness
from seqmatch.matching.match import Match
from seqmatch.networks.features import features, head
from seqmatch.seeds import Seed
from seqmatch.training.loop import NewNetwork, sgd_step
from seqmatch.transforms import dsa

LIKENESS, CONTRAST = 0.1, 0.1
"""What these weigh in the adversary's loss, against 1 for its cross-entropy; as published."""
MOMENTUM = 0.9
"""Of the adversary, as published."""


def make_step(problem: Problem) -> Step:
    """As trajectory matching does; a student's batch is by default as large as S_k has stored images."""
    matching, count = problem.matching, problem.matching.hallucinators
    batch = min(matching.synthetic_batch or problem.new // count, len(problem.labels) // count)
    matched = trajectory.make_step(problem, batch, partial(through_one_each, count))
    return hallucination_step(
        matched, problem.fresh, problem.labels, batch, matching, problem.augmentation, problem.seed / "adversary"
    )


def through_one_each(count: int, total: int, batch_size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """Minibatches of stored images, each through one hallucinator of `count` at random: indices of decoded ones.

    Args:
        total: decoded images, those of a stored one after the other.
    """
    stored = trajectory.minibatches(total // count, batch_size, steps, generator)
    chosen = torch.randint(count, (steps,), generator=generator).tolist()
    return [index * count + one for index, one in zip(stored, chosen, strict=True)]


def hallucination_step(
    matched: Step,
    new_network: NewNetwork,
    labels: Tensor,
    batch_size: int,
    matching: config.HallucinationMatching,
    augmentation: Sequence[str],
    seed: Seed,
) -> Step:
    """Add to a match what keeps hallucinators apart, and let the adversary learn after each.

    A new adversary every `matching.updates_per_network` iterations: the step has to be asked from such a beginning on,
    one iteration after the other.

    Args:
        matched: the trajectory match of all decoded images.
        new_network: a fresh adversary.
        labels: of all decoded images.
        batch_size: stored images in a minibatch of the adversary.
    """
    adversary: nn.Module | None = None
    velocities: list[Tensor] = []

    def views(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A minibatch through two hallucinators, one after the other, and its labels."""
        (index,) = trajectory.minibatches(len(images) // matching.hallucinators, batch_size, 1, generator)
        pair = torch.randperm(matching.hallucinators, generator=generator)[:2]
        both = (index * matching.hallucinators + pair[:, None]).flatten().to(images.device)
        return dsa.apply(dsa.draw(augmentation, len(both), generator), images[both]), labels[both]

    def step(images: Tensor, step_size: float, iteration: int) -> Match:
        nonlocal adversary, velocities
        match = matched(images, step_size, iteration)
        if not matching.lr_adversary:
            return match
        if iteration % matching.updates_per_network == 0:
            adversary = new_network(seed / iteration)
            velocities = [torch.zeros_like(parameter) for parameter in adversary.parameters()]
        leaf, generator = images.detach().requires_grad_(), (seed / iteration / "views").generator()
        alike = likeness(*features(adversary, views(leaf, generator)[0]).chunk(2))
        (gradient,) = torch.autograd.grad(alike, leaf)
        with torch.no_grad():
            shown = views(images, generator)
        parameters = list(adversary.parameters())
        gradients = torch.autograd.grad(adversary_loss(adversary, *shown), parameters)
        sgd_step(parameters, list(gradients), velocities, matching.lr_adversary, MOMENTUM)
        return Match(
            match.loss + matching.likeness * alike.item(),
            match.image_gradient + matching.likeness * gradient,
            match.step_size_gradient,
        )

    return step


def adversary_loss(adversary: nn.Module, views: Tensor, labels: Tensor) -> Tensor:
    """What the adversary learns: classes, and that two views of an image are alike, and those of a class.

    Args:
        views: the first of each image, then the second, (2n, C, H, W).
        labels: of both, int64 (2n,), or shares of classes.
    """
    seen = features(adversary, views)
    first, second = seen.chunk(2)
    classes = labels.argmax(1) if labels.is_floating_point() else labels
    contrast = class_contrast(first, second, classes[: len(first)])
    apart = 1 - likeness(first, second)
    return F.cross_entropy(head(adversary)(seen), labels) + LIKENESS * apart + CONTRAST * contrast
