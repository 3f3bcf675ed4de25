import copy

import pytest
import torch
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


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_direction_against_its_equation(problem, alpha):
    """Written with flat vectors and a second network at the perturbed point."""
    network, images, labels = problem
    direction = flat(sharpness_aware(loss_gradient, 0.05, alpha)(network, images, labels))
    g = flat(loss_gradient(network, images, labels))
    other = copy.deepcopy(network)
    start = nn.utils.parameters_to_vector(network.parameters()).detach()
    nn.utils.vector_to_parameters(start + 0.05 * g / g.norm(), other.parameters())
    p = flat(loss_gradient(other, images, labels))
    across = g - (g @ p) / (p @ p) * p
    assert abs(float(across @ p)) < 1e-12
    assert (direction - (p - alpha * across)).abs().max() < 1e-12


def test_the_network_is_left_where_it_was(problem):
    network, images, labels = problem
    before = flat(network.parameters()).clone()
    sharpness_aware(loss_gradient, 0.05, 0.3)(network, images, labels)
    assert torch.equal(flat(network.parameters()), before)


def test_it_climbs_before_it_descends():
    """Of the quadratic ½ x² at x = 2 with ρ = 1, SAM's gradient is that at 3."""

    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.tensor([2.0]))

    (direction,) = sharpness_aware(lambda network, *_: [network.x.detach().clone()], 1.0, 0.0)(Point(), None, None)
    assert direction.tolist() == [3.0]


def test_a_gradient_of_zero_stays_finite():
    network = build(TINY, (1, 8, 8), 3, Seed("n"))
    zeros = [torch.zeros_like(parameter) for parameter in network.parameters()]
    direction = sharpness_aware(lambda *_: zeros, 0.05, 0.3)(network, *labelled())
    assert all(torch.equal(part, zero) for part, zero in zip(direction, zeros, strict=True))
