import itertools

import pytest
import torch
from helpers.tiny import normal
from torch import nn

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.networks import build, layer_maps, structure
from seqmatch.networks.build import initialize
from seqmatch.networks.pooling import AveragePool, pool
from seqmatch.seeds import Seed

FAMILIES = ["convnet", "resnet18", "vgg11", "alexnet"]
SIZES = [8, 9, 15, 28, 32, 64, 128]


def spec(family="convnet", width=4, **more):
    return config.Architecture(family=family, width=width, **more)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_network_works_on_every_size(family, norm):
    for size, channels in itertools.product(SIZES, (1, 3)):
        network = build(spec(family, norm=norm, depth=7), (channels, size, size), 5, Seed("n"))
        logits = network(normal(2, channels, size, size))
        assert logits.shape == (2, 5)
        assert logits.isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", SIZES)
def test_instance_norm_never_sees_a_single_pixel(family, size):
    sides = []

    def watch(module, inputs):
        sides.append(min(inputs[0].shape[2:]))

    network = build(spec(family, depth=7), (3, size, size), 5, Seed("n"))
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_pre_hook(watch)
    network(normal(2, 3, size, size))
    assert min(sides) >= 2


@pytest.mark.parametrize("family", FAMILIES)
def test_all_parameters_learn(family):
    network = build(spec(family), (1, 8, 8), 5, Seed("n"))
    loss = nn.functional.cross_entropy(network(normal(6, 1, 8, 8)), torch.arange(6) % 5)
    gradients = torch.autograd.grad(loss, [p for p in network.parameters() if p.dim() > 1])
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_convnet_has_the_published_number_of_parameters():
    network = structure(config.Architecture(family="convnet"), (3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 320_010


@pytest.mark.parametrize(("family", "parameters"), [("resnet18", 11_173_962), ("vgg11", 9_231_114)])
def test_standard_widths_give_the_standard_number_of_parameters(family, parameters):
    network = structure(spec(family, width=64, norm="batch"), (3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_grey_images_of_28_pixels_start_at_32():
    network = structure(spec(), (1, 28, 28), 10)
    assert network[0].padding == (3, 3)
    assert network[-1].in_features == 4 * 4 * 4


def test_initialisation_is_pytorchs_own():
    ours = build(spec("vgg11", norm="batch"), (3, 32, 32), 10, Seed("n"))
    state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        theirs = [nn.Conv2d(3, 7, 3), nn.Linear(20, 5)]
    finally:
        torch.set_rng_state(state)
    again = [
        nn.Conv2d(3, 7, 3, device="meta").to_empty(device="cpu"),
        nn.Linear(20, 5, device="meta").to_empty(device="cpu"),
    ]
    initialize(nn.Sequential(*again), torch.Generator().manual_seed(0))
    for left, right in zip(theirs, again, strict=True):
        assert torch.allclose(left.weight, right.weight) and torch.allclose(left.bias, right.bias)
    norms = [module for module in ours.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all((n.weight == 1).all() and (n.bias == 0).all() and (n.running_var == 1).all() for n in norms)


def test_equal_seeds_give_equal_networks():
    one, two, other = (build(spec(), (1, 8, 8), 5, Seed(name)) for name in ("a", "a", "b"))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((1, 7, 7), 10, "7×7"),
        ((1, 129, 129), 10, "129"),
        ((1, 8, 9), 10, "8×9"),
        ((2, 8, 8), 10, "2 channels"),
        ((1, 8, 8), 1, "1 classes"),
    ],
)
def test_impossible_images_are_refused(shape, classes, message):
    with pytest.raises(SeqmatchError, match=message):
        structure(spec(), shape, classes)


@pytest.mark.parametrize(("family", "layers"), [("convnet", 3), ("resnet18", 17), ("vgg11", 8), ("alexnet", 5)])
@pytest.mark.parametrize("size", [8, 28])
def test_layers_end_with_activations_before_any_pooling(family, layers, size):
    network, images = build(spec(family), (1, size, size), 5, Seed("n")), normal(2, 1, size, size).requires_grad_()
    maps, last = layer_maps(network, images)
    assert len(maps) == layers and all(each.min() >= 0 and len(each) == 2 for each in maps)
    assert maps[0].shape[2:] == network[0](images).shape[2:] and torch.allclose(network[-1](last), network(images))
    assert torch.autograd.grad(sum(each.sum() for each in maps), images)[0].abs().sum() > 0
    assert not any(module._forward_hooks for module in network.modules())
    sums, _ = layer_maps(network, images, lambda each: each.sum(0))
    assert all(torch.equal(few, each.sum(0)) for few, each in zip(sums, maps, strict=True))


@pytest.mark.parametrize("shape", [(3, 2, 8, 8), (2, 1, 7, 7), (1, 3, 5, 6)])
def test_pooling_is_pytorchs_and_so_are_its_derivatives(shape):
    maps, other = (normal(*shape, name=name, dtype=torch.float64) for name in ("maps", "other"))
    assert torch.allclose(pool(maps), nn.functional.avg_pool2d(maps, 2), rtol=1e-14)
    leaf = maps.requires_grad_()
    with torch.random.fork_rng():  # the checks draw from the global generator
        assert torch.autograd.gradcheck(pool, leaf)
        assert torch.autograd.gradgradcheck(lambda x: pool(x.square() * other), leaf)


def test_large_maps_are_pooled_the_fast_way():
    assert AveragePool()(normal(4, 4, 8, 8).requires_grad_()).grad_fn.name() == "AvgPool2DBackward0"
    large = normal(16, 64, 8, 8).requires_grad_()
    pooled = AveragePool()(large)
    assert pooled.grad_fn.name() == "_PoolBackward"
    assert torch.allclose(pooled, nn.functional.avg_pool2d(large, 2), rtol=1e-6, atol=1e-7)
