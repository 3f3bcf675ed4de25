import copy

import pytest
import torch
from helpers.tiny import TINY, labelled, normal
from torch import nn

from seqmatch import config
from seqmatch.distillation.distribution import distribution_step
from seqmatch.matching.distribution import match_distribution
from seqmatch.networks import build, features
from seqmatch.seeds import Seed
from seqmatch.transforms import dsa

MATCHING = config.DistributionMatching(real_batch=4)


@pytest.fixture
def problem():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, real_labels = labelled(per_class=5, name="real")
    images, labels = labelled(per_class=2)
    return network, real.double(), real_labels, images.double(), labels


def by_class(network, real, real_labels, images, labels):
    """Class by class, image by image, in a copy of the network without its last layer."""
    body = nn.Sequential(*list(copy.deepcopy(network))[:-1])
    loss = 0.0
    for label in range(3):
        wanted = torch.stack([body(image[None])[0] for image in real[real_labels == label]]).mean(0)
        found = torch.stack([body(image[None])[0] for image in images[labels == label]]).mean(0)
        loss = loss + ((wanted - found) ** 2).sum()
    return loss


@pytest.mark.parametrize("chunk", [1, 4, 15])
def test_loss_and_gradient_against_class_by_class(problem, chunk):
    network, real, real_labels, images, labels = problem
    match = match_distribution(network, real, real_labels, images, labels, lambda x: x, chunk)
    leaf = images.clone().requires_grad_()
    loss = by_class(network, real, real_labels, leaf, labels)
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert match.loss == pytest.approx(float(loss), rel=1e-12) and match.step_size_gradient == 0
    assert (match.image_gradient - gradient).abs().max() < 1e-12


def test_gradient_against_finite_differences(problem):
    network, real, real_labels, images, labels = problem
    drawn = dsa.draw(["scale"], 1, Seed("a").generator())

    def match(x):
        return match_distribution(network, real, real_labels, x, labels, lambda x: dsa.apply(drawn, x), 15)

    direction = normal(*images.shape, name="d").double()
    step = 1e-6
    slope = (match(images + step * direction).loss - match(images - step * direction).loss) / (2 * step)
    assert float((match(images).image_gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_equal_images_match_perfectly(problem):
    network, _, _, images, labels = problem
    assert match_distribution(network, images, labels, images, labels, lambda x: x, 15).loss < 1e-24


def test_a_draw_for_one_image_is_shared_by_all():
    images = normal(4, 3, 8, 8)
    for operation in dsa.OPERATIONS:
        drawn = dsa.draw([operation], 1, Seed("a").generator())
        together = dsa.apply(drawn, images)
        one_by_one = torch.cat([dsa.apply(drawn, image[None]) for image in images])
        assert torch.allclose(together, one_by_one, atol=1e-6), operation


def test_an_iteration_depends_on_its_number_alone():
    real, images = labelled(per_class=9, name="real"), normal(3, 1, 8, 8)
    calls = []

    def new_network(seed):
        calls.append(seed)
        return build(TINY, (1, 8, 8), 3, seed)

    step = distribution_step(real, new_network, torch.arange(3), MATCHING, ["color", "crop"], Seed("d"), 12)
    first, again, other = (step(images, 0.1, iteration) for iteration in (5, 5, 6))
    assert torch.equal(first.image_gradient, again.image_gradient)
    assert not torch.equal(first.image_gradient, other.image_gradient)
    assert calls[0] == calls[1] != calls[2]


def test_features_are_what_the_head_sees_and_can_be_differentiated():
    network, images = build(TINY, (1, 8, 8), 3, Seed("n")), normal(2, 1, 8, 8).requires_grad_()
    found = features(network, images)
    assert torch.allclose(network[-1](found), network(images), atol=1e-6)
    assert torch.autograd.grad(found.sum(), images)[0].abs().sum() > 0
    assert not network[-1]._forward_pre_hooks
