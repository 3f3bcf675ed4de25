import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.distillation.gradient import gradient_step
from seqmatch.matching.gradient import DIRECTIONS, class_gradients, cosine, match_gradient
from seqmatch.networks import build
from seqmatch.runtime import budget
from seqmatch.seeds import Seed
from seqmatch.transforms import dsa

MATCHING = config.GradientMatching(real_batch=4, updates_per_network=3, network_epochs=2)


@pytest.fixture
def problem():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, _ = labelled(per_class=5, name="real")
    images, labels = labelled(per_class=2)
    members = torch.stack([(labels == label).nonzero().squeeze(1) for label in range(3)])
    return network, real.double().unflatten(0, (3, 5)), images.double(), members


def by_class(network, real, images, members):
    """Class by class and row by row, with ordinary autograd."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    total = 0.0
    for label in range(3):
        parts = []
        for x, create_graph in ((real[label], False), (images[members[label]], True)):
            loss = F.cross_entropy(network(x), torch.full((len(x),), label))
            parts.append(torch.autograd.grad(loss, weights, create_graph=create_graph))
        for g_real, g_syn in zip(*parts, strict=True):
            for row_real, row_syn in zip(g_real, g_syn, strict=True):
                total = total + 1 - F.cosine_similarity(row_real.flatten(), row_syn.flatten(), dim=0, eps=1e-12)
    return total


@pytest.mark.parametrize("together", [3, 1, 2])
def test_loss_and_gradient_against_class_by_class(problem, together):
    network, real, images, members = problem
    match = match_gradient(network, real, images, members, lambda x: x, DIRECTIONS, together)
    leaf = images.clone().requires_grad_()
    loss = by_class(network, real, leaf, members)
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert match.loss == pytest.approx(float(loss.detach()), rel=1e-9) and match.step_size_gradient == 0
    assert (match.image_gradient - gradient).abs().max() < 1e-9 * gradient.abs().max()


def test_it_is_the_same_with_the_pooling_of_large_maps(problem, monkeypatch):
    network, real, images, members = problem
    expected = match_gradient(network, real, images, members, lambda x: x, DIRECTIONS, 3)
    monkeypatch.setattr(budget, "POOLING_NUMBERS", 0)
    found = match_gradient(network, real, images, members, lambda x: x, DIRECTIONS, 3)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert (found.image_gradient - expected.image_gradient).abs().max() < 1e-12
    leaf = images.clone().requires_grad_()
    loss = by_class(network, real, leaf, members)
    assert (found.image_gradient - torch.autograd.grad(loss, leaf)[0]).abs().max() < 1e-9


def test_gradient_against_finite_differences(problem):
    network, real, images, members = problem
    drawn = dsa.draw(["rotate"], 1, Seed("a").generator())

    def match(x):
        return match_gradient(network, real, x, members, lambda x: dsa.apply(drawn, x), DIRECTIONS, 3)

    direction = normal(*images.shape, name="d").double()
    step = 1e-6
    slope = (match(images + step * direction).loss - match(images - step * direction).loss) / (2 * step)
    assert float((match(images).image_gradient * direction).sum()) == pytest.approx(slope, rel=1e-4)


def test_equal_images_match_perfectly(problem):
    network, _, images, members = problem
    assert abs(match_gradient(network, images[members], images, members, lambda x: x, DIRECTIONS, 3).loss) < 1e-9


def test_a_gradient_of_zero_has_a_distance_of_one_per_row():
    zero, other = torch.zeros(2, 3, 4), normal(2, 3, 4).requires_grad_()
    found = cosine(zero, other)
    assert found.item() == 6
    assert torch.autograd.grad(found, other)[0].isfinite().all()


def test_each_class_has_the_gradient_it_has_alone(problem):
    network, real, _, _ = problem
    together = class_gradients(network, real, torch.arange(3), (2, 4))
    for label in range(3):
        alone = class_gradients(network, real[label : label + 1], torch.tensor([label]), (2, 4))
        for a, b in zip(together, alone, strict=True):
            assert (a[label] - b[0]).abs().max() < 1e-12


def test_networks_are_renewed_and_learn_in_between():
    real, images, seeds = labelled(per_class=9, name="real"), normal(3, 1, 8, 8), []

    def new_network(seed):
        seeds.append(seed)
        return build(TINY, (1, 8, 8), 3, seed)

    step = gradient_step(real, new_network, torch.arange(3), MATCHING, ["crop"], Seed("d"), 3)
    first = [step(images, 0.05, iteration).loss for iteration in range(6)]
    assert len(seeds) == 2 and len(set(first)) == 6
    again = gradient_step(real, new_network, torch.arange(3), MATCHING, ["crop"], Seed("d"), 3)
    assert [again(images, 0.05, iteration).loss for iteration in range(3, 6)] == first[3:]
