"""What a distilled set is worth for just the steps that it was distilled for (DD, Wang et al. 2018)."""

from collections.abc import Sequence

import torch
from torch import nn

from seqmatch import config
from seqmatch.distillation.unrolled import GROUPS
from seqmatch.networks import written
from seqmatch.runtime.budget import chunk_size
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import union_curriculum
from seqmatch.synthetic.subset import Subset
from seqmatch.training.classes import by_class
from seqmatch.training.gradients import in_chunks, loss_gradient
from seqmatch.training.inference import accuracy
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled, sgd_step


def accuracies(
    subsets: Sequence[Subset], sections: Sequence[config.UnrolledMatching], test: Labelled, learner: Learner, seed: Seed
) -> list[float]:
    """Percent of the test images that fresh networks classify as labelled once they have replayed the learned steps.

    Args:
        subsets: S_1 … S_K.
        sections: how each was distilled.
        test: normalised images (N, C, H, W), and their classes (N,).
        learner: how networks are made, and how many; not how they are trained.
    """
    networks = [learner.new_network(seed / index / "initial") for index in range(learner.settings.networks)]
    for index, network in enumerate(networks):
        replay(network, subsets, sections, seed / index / "replay")
    return [100 * accuracy(network, *test) for network in networks]


def replay(
    network: nn.Module, subsets: Sequence[Subset], sections: Sequence[config.UnrolledMatching], seed: Seed
) -> None:
    """Take the student's steps of each stage, one stage after the other, on its union of subsets, without augmentation.

    A step takes as many images of each class as in distillation, in its order, at its learned step size.
    """
    for k, (stage, subset, matching) in enumerate(zip(union_curriculum(subsets), subsets, sections, strict=True)):
        device = next(network.parameters()).device
        images, labels = stage.images.to(device), stage.labels.to(device)
        classes = [*by_class(labels).values()]
        shown = min(matching.synthetic_batch or subset.seen // len(classes), len(labels) // len(classes))
        activations = written(network.eval(), images[:1])
        gradient = in_chunks(chunk_size(shown * len(classes), activations, device), loss_gradient)
        network.train()
        steps, generator = matching.synthetic_steps, (seed / k).generator()
        groups = GROUPS[matching.order](torch.stack(classes), shown, steps, generator)
        rates = [subset.step_size] * steps if subset.rates is None else subset.rates.tolist()
        parameters = list(network.parameters())
        velocities = [torch.zeros_like(parameter) for parameter in parameters]
        for rate, group in zip(rates, groups, strict=True):
            gradients = gradient(network, images[group], labels[group])
            sgd_step(parameters, list(gradients), velocities, rate, matching.student_momentum)
