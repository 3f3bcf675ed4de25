"""Gradient matching in networks that learn from real images (IDC, Kim et al. 2022), one iteration after the other."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from seqmatch import config
from seqmatch.distillation.step import Problem, Step, some_of_each
from seqmatch.matching.gradient import Measure, absolute, match_gradient, squared
from seqmatch.matching.match import Match
from seqmatch.seeds import Seed
from seqmatch.training.classes import by_class
from seqmatch.training.loop import Labelled, NewNetwork, Phase, Position, Stage, train
from seqmatch.transforms import dsa

MEASURES = {"squared": Measure(squared, (4,)), "absolute": Measure(absolute, (4,))}
"""By the name that `matching.distance` gives; of convolutions alone."""


def make_step(problem: Problem) -> Step:
    """Match as many classes at once as fit in memory; networks of a later subset start from teachers."""
    each = len(problem.labels) // problem.dataset.classes
    together = problem.classes_at_once(min(problem.matching.synthetic_batch or each, each))
    return condensation_step(
        problem.real(),
        problem.new_network,
        problem.labels,
        problem.matching,
        problem.augmentation,
        problem.seed,
        together,
        problem.dataset.augmentation,
    )


def condensation_step(
    real: Labelled,
    new_network: NewNetwork,
    labels: Tensor,
    matching: config.CondensationMatching,
    augmentation: Sequence[str],
    seed: Seed,
    together: int,
    learned: Sequence[str],
) -> Step:
    """Match each class's gradients in a network that passes over real images between two iterations.

    A new network every `matching.updates_per_network` iterations. So the step has to be asked from such a beginning on,
    one iteration after the other. Real and synthetic images share one draw of DSA in IDC's form.

    Args:
        real: training images and labels, on the device of the synthetic ones.
        new_network: fresh ones for a first subset; for a later one, networks trained through the subsets before it.
        labels: of all synthetic images.
        together: classes to a batch.
        learned: DSA operations of what the network learns from, cutout left out, unless `matching.learner` says which.
    """
    images, real_labels = real
    real_index, synthetic_index = ([*by_class(each).values()] for each in (real_labels, labels))
    learner = matching.learner
    if learner.augmentation is None:
        learner = learner.model_copy(update={"augmentation": [name for name in learned if name != "cutout"]})
    network, course = None, iter(())

    def begin(name: Seed, step_size: float) -> tuple[nn.Module, Iterator[Position]]:
        network = new_network(name / "network")
        stage = Stage(images, real_labels, step_size)
        phase = Phase(stage, matching.updates_per_network, learner, name / "learn", images=matching.network_images)
        return network, train(network, [phase], augmentation)

    def step(synthetic: Tensor, step_size: float, iteration: int) -> Match:
        nonlocal network, course
        if iteration % matching.updates_per_network == 0:
            network, course = begin(seed / iteration, step_size)
        next(course)  # the network as it begins, then after each pass over real images
        generator = (seed / iteration / "match").generator()
        real_batch = some_of_each(real_index, matching.real_batch, generator)
        synthetic_batch = some_of_each(synthetic_index, matching.synthetic_batch or len(labels), generator)
        drawn = dsa.draw_composed(augmentation, 1, generator)
        real_images = dsa.apply(drawn, images[real_batch.flatten()]).unflatten(0, real_batch.shape)
        return match_gradient(
            network,
            real_images,
            synthetic,
            synthetic_batch,
            lambda synthetic: dsa.apply(drawn, synthetic),
            MEASURES[matching.distance],
            together,
        )

    return step
