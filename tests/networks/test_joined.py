"""Joined networks against each network alone, in float64."""

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import normal
from torch import nn

from seqmatch import config
from seqmatch.networks import build, join, joinable
from seqmatch.networks.joined import Joined
from seqmatch.seeds import Seed
from seqmatch.training.gradients import loss_gradient

FAMILIES = ("convnet", "resnet18", "vgg11", "alexnet")
CLASSES = 5


def networks(family="convnet", norm="instance", count=3, channels=1):
    depth = {"depth": 2} if family == "convnet" else {}
    spec = config.Architecture(family=family, width=4, norm=norm, **depth)
    return [build(spec, (channels, 8, 8), CLASSES, Seed("n", index)).double() for index in range(count)]


def minibatches(count=3, channels=1):
    images = [normal(6, channels, 8, 8, name=f"images {index}", dtype=torch.float64) for index in range(count)]
    return images, [torch.arange(6).add(index) % CLASSES for index in range(count)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_gradients_and_statistics_are_those_of_each_alone(family, norm, soft, channels):
    alone, together = networks(family, norm, channels=channels), networks(family, norm, channels=channels)
    assert all(map(joinable, together))
    images, labels = minibatches(channels=channels)
    if soft:
        labels = [F.one_hot(each, CLASSES).double().mul(0.8).add(0.04) for each in labels]
    whole = join(together)
    logits = whole(torch.cat(images, 1))
    assert logits.shape == (6, 3, CLASSES)
    found = loss_gradient(whole, torch.cat(images, 1), torch.stack(labels, 1))
    for index, (network, other) in enumerate(zip(alone, together, strict=True)):
        torch.testing.assert_close(logits[:, index], network(images[index]), rtol=1e-10, atol=1e-12)
        expected = loss_gradient(network, images[index], labels[index])
        for gradient, each in zip(found, expected, strict=True):
            torch.testing.assert_close(gradient.chunk(3)[index], each, rtol=1e-9, atol=1e-12)
        for left, right in zip(other.buffers(), network.buffers(), strict=True):
            if left.dim():
                torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


def test_parameters_are_shared():
    together = networks()
    before = [network(minibatches()[0][0]) for network in together]
    whole = join(together)
    assert all(map(torch.equal, before, (network(minibatches()[0][0]) for network in together)))
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.chunk(3)[1].zero_()
    zero = [all(not parameter.any() for parameter in network.parameters()) for network in together]
    assert zero == [False, True, False]


@pytest.mark.parametrize(
    "kind", [nn.Dropout, nn.GELU, nn.Upsample, lambda: nn.LayerNorm(8), lambda: nn.Conv1d(1, 1, 1)]
)
def test_a_network_with_a_layer_of_another_kind_is_trained_alone(kind):
    with torch.random.fork_rng():  # layers of PyTorch draw from its own generator
        assert joinable(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, 3)))
        assert not joinable(nn.Sequential(nn.Conv2d(1, 8, 3), kind(), nn.Flatten(), nn.Linear(8, 3)))


def test_a_single_network_is_itself():
    (only,) = networks(count=1)
    assert join([only]) is only
    assert isinstance(join(networks()), Joined)


def test_what_is_not_finite_stays_in_its_network():
    images, labels = minibatches()

    def gradients(value):
        together = networks()
        with torch.no_grad():
            for parameter in together[1].parameters():
                parameter.fill_(value)
        return loss_gradient(join(together), torch.cat(images, 1), torch.stack(labels, 1))

    for bad, good in zip(gradients(torch.nan), gradients(0.1), strict=True):
        assert not bad.chunk(3)[1].isfinite().all()
        assert torch.equal(bad.chunk(3)[0], good.chunk(3)[0]) and torch.equal(bad.chunk(3)[2], good.chunk(3)[2])
