import copy

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import TINY, labelled
from torch import nn

from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training.gradients import loss_gradient
from seqmatch.training.sharpness import sharpness_aware


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.fixture
def problem():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    images, labels = labelled()
    return network, images.double(), labels


def gradient_at(network, theta, images, labels):
    """By autograd, of a second network with these parameters, flat."""
    other = copy.deepcopy(network)
    nn.utils.vector_to_parameters(theta, other.parameters())
    return flat(torch.autograd.grad(F.cross_entropy(other(images), labels), list(other.parameters())))


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_direction_against_its_equation(problem, alpha, adaptive):
    """Written with flat vectors; the perturbation climbs most among those as long, in units of |θ| if adaptive."""
    network, images, labels = problem
    direction = flat(sharpness_aware(loss_gradient, 0.05, alpha, adaptive)(network, images, labels))
    theta = nn.utils.parameters_to_vector(network.parameters()).detach()
    unit = theta.abs() if adaptive else torch.ones_like(theta)
    g = gradient_at(network, theta, images, labels)
    steepest = unit * (unit * g / (unit * g).norm())
    p = gradient_at(network, theta + 0.05 * steepest, images, labels)
    across = g - (g @ p) / (p @ p) * p
    assert abs(float(across @ p)) < 1e-12
    assert (direction - (p - alpha * across)).abs().max() < 1e-12


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_network_is_left_where_it_was(problem, adaptive):
    network, images, labels = problem
    before = flat(network.parameters()).clone()
    sharpness_aware(loss_gradient, 0.05, 0.3, adaptive)(network, images, labels)
    assert torch.equal(flat(network.parameters()), before)


@pytest.mark.parametrize(("adaptive", "climbed"), [(False, 3.0), (True, 4.0)])
def test_it_climbs_before_it_descends(adaptive, climbed):
    """Of the quadratic ½ x² at x = 2 with ρ = 1, SAM's gradient is that at 3, ASAM's that at 2 + 2²·2 / (2·2)."""

    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.tensor([2.0]))

    gradient = sharpness_aware(lambda network, *_: [network.x.detach().clone()], 1.0, 0.0, adaptive)
    assert [part.tolist() for part in gradient(Point(), None, None)] == [[climbed]]


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_gradient_of_zero_stays_finite(adaptive):
    network = build(TINY, (1, 8, 8), 3, Seed("n"))
    zeros = [torch.zeros_like(parameter) for parameter in network.parameters()]
    direction = sharpness_aware(lambda *_: zeros, 0.05, 0.3, adaptive)(network, *labelled())
    assert all(torch.equal(part, zero) for part, zero in zip(direction, zeros, strict=True))
