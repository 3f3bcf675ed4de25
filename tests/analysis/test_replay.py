"""Networks that take just the steps that a set was distilled for."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import TINY, labelled

from benchmarks.plain import flat_parameters, forward
from seqmatch import config
from seqmatch.analysis.replay import accuracies, replay
from seqmatch.distillation.unrolled import unrolled_step
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.unrolled import one_graph
from seqmatch.networks import build, structure
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset
from seqmatch.training.learner import Learner

FRESH = partial(build, TINY, (1, 8, 8), 3)
SECTION = config.UnrolledMatching(synthetic_steps=3, synthetic_batch=1, order="fixed", student_momentum=0.5)
RATES = torch.tensor([0.05, 0.1, 0.2], dtype=torch.float64)


def subset(name="x"):
    images, labels = labelled(per_class=2, name=name)
    return Subset(images, labels, float(RATES.mean()), rates=RATES)


def test_steps_are_taken_in_order_with_their_own_rates_and_momentum():
    network = FRESH(Seed("n"))
    theta, velocity = flat_parameters(network), 0.0
    replay(network, [subset()], [SECTION], Seed("r"))
    images, labels = subset().decoded()
    for rate, group in zip(RATES.tolist(), ([0, 2, 4], [1, 3, 5], [0, 2, 4]), strict=True):
        leaf = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(forward(network, leaf, images[group]), labels[group]), leaf)
        velocity = 0.5 * velocity + gradient
        theta = theta - rate * velocity
    torch.testing.assert_close(flat_parameters(network), theta, rtol=1e-4, atol=1e-6)


def test_the_loss_at_the_end_is_the_one_that_was_matched():
    """Of the same new network, on all real images."""
    real, section = labelled(per_class=8, name="real"), SECTION.model_copy(update={"real_batch": 8, "iterations": 1})
    student, (images, labels) = classifier(structure(TINY, (1, 8, 8), 3)), subset().decoded()
    step = unrolled_step(real, FRESH, partial(one_graph, student), student, labels, 1, section, (), Seed("d"), 100)
    match = step(images, RATES.tolist(), 4)
    network = FRESH(Seed("d") / 4 / "network")
    replay(network, [subset()], [section], Seed("r"))
    assert F.cross_entropy(network(real[0]), real[1]).item() == pytest.approx(match.loss, rel=1e-4)


def test_a_later_stage_goes_on_with_the_union_and_every_network_is_another():
    learner = Learner(FRESH, config.Evaluation(networks=3))
    subsets, sections = [subset("a"), subset("b")], [SECTION, SECTION.model_copy(update={"synthetic_batch": None})]
    found = accuracies(subsets, sections, labelled(per_class=30, name="test"), learner, Seed("s"))
    assert len(found) == 3 and all(0 <= value <= 100 for value in found)
    assert found == accuracies(subsets, sections, labelled(per_class=30, name="test"), learner, Seed("s"))
    one, both = FRESH(Seed("n")), FRESH(Seed("n"))
    replay(one, subsets[:1], sections[:1], Seed("r"))
    first = flat_parameters(one).clone()
    replay(both, subsets, sections, Seed("r"))
    union = torch.cat([subsets[0].images, subsets[1].images]), torch.cat([subsets[0].labels, subsets[1].labels])
    theta, velocity = first, 0.0
    # Two images of each class in a step: those of S_1, those of S_2, and again those of S_1.
    for rate, half in zip(RATES.tolist(), (slice(0, 6), slice(6, 12), slice(0, 6)), strict=True):
        leaf = theta.clone().requires_grad_()
        loss = F.cross_entropy(forward(one, leaf, union[0][half]), union[1][half])
        velocity = 0.5 * velocity + torch.autograd.grad(loss, leaf)[0]
        theta = theta - rate * velocity
    torch.testing.assert_close(flat_parameters(both), theta, rtol=1e-4, atol=1e-6)
