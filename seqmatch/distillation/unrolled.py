"""Unrolled objectives (DD, Wang et al. 2018; RTP, Deng & Russakovsky 2022), one iteration after the other.

A network starts anew, takes a student's steps on synthetic images, and is judged by its loss on real ones, whose
gradient goes back through all steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.step import Problem, Step, augmented, some_of_each
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import Student, classifier, flat
from seqmatch.matching.dispatch import best_unroll
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Descent, Unroll, mean_loss
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled, NewNetwork
from seqmatch.transforms import dsa


def make_step(problem: Problem) -> Step:
    """Unroll by the way that suits the size of the problem; networks of a later subset start from teachers."""
    matching, classes = problem.matching, problem.dataset.classes
    if unseen := matching.unseen(problem.new // classes, len(problem.labels) // classes):
        raise SeqmatchError(unseen)
    shown = min(matching.synthetic_batch or problem.new // classes, len(problem.labels) // classes)
    unroll = best_unroll(
        problem.structure(),
        problem.compile,
        problem.activations,
        shown * classes,
        matching.synthetic_steps,
        matching.iterations,
        problem.device,
        problem.kept_memory,
    )
    return unrolled_step(
        problem.real(),
        problem.new_network,
        unroll,
        classifier(problem.structure()),
        problem.labels,
        shown,
        matching,
        problem.augmentation,
        problem.seed,
        problem.chunk,
    )


def unrolled_step(
    real: Labelled,
    new_network: NewNetwork,
    unroll: Unroll,
    student: Student,
    labels: Tensor,
    shown: int,
    matching: config.UnrolledMatching,
    augmentation: Sequence[str],
    seed: Seed,
    chunk: int,
) -> Step:
    """Match by the loss on real images of a network that learned from the synthetic ones, a new network each time.

    All student steps of an iteration, and the real images, share one draw of DSA.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        new_network: fresh ones for a first subset; for a later one, networks trained through the subsets before it.
        unroll: how to differentiate through the steps.
        labels: of all synthetic images, int64 (n,).
        shown: synthetic images of each class in a student's step.
        chunk: real images at a time.
    """
    images, real_labels = real
    real_index, members = ([*by_class(each).values()] for each in (real_labels, labels))
    groups = GROUPS[matching.order]

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        start = flat([parameter.detach() for parameter in new_network(seed / iteration / "network").parameters()])
        generator = (seed / iteration / "match").generator()
        drawn = dsa.draw(augmentation, 1, generator)
        judges = some_of_each(real_index, matching.real_batch, generator).flatten()
        terminal = mean_loss(student, dsa.apply(drawn, images[judges]), real_labels[judges], chunk)
        batches = [
            augmented(index, drawn)
            for index in groups(torch.stack(members), shown, matching.synthetic_steps, generator)
        ]
        descent = Descent(step_size, matching.student_momentum)
        return unroll(start, terminal, synthetic, labels, batches, descent)

    return step


def _in_turn(members: Tensor, shown: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """Groups of `shown` images of each class, in their order, again and again.

    Args:
        members: indices of each class, (classes, each).
    """
    groups = members.split(shown, dim=1)
    return [groups[step % len(groups)].flatten() for step in range(steps)]


def _at_random(members: Tensor, shown: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """The same in a new order of each class's images in each pass over them."""
    found: list[Tensor] = []
    while len(found) < steps:
        found += _in_turn(_shuffled(members, generator), shown, -(-members.shape[1] // shown), generator)
    return found[:steps]


def _shuffled(members: Tensor, generator: torch.Generator) -> Tensor:
    orders = torch.stack([torch.randperm(members.shape[1], generator=generator) for _ in members])
    return members.gather(1, orders.to(members.device))


GROUPS = {"fixed": _in_turn, "random": _at_random}
"""By the name that `matching.order` gives: the indices of each of the student's minibatches."""
