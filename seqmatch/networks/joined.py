"""Small networks of equal structure joined to one: with few small images calls take the time, not arithmetic.

Channels of the joined network are those of all networks, one network after the other. Each layer keeps them apart:
convolutions by groups, norms by channels, linear layers as a batch of products.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqmatch.networks.layers import InstanceNorm
from seqmatch.networks.pooling import AveragePool

KNOWN = (
    *(nn.Sequential, nn.Conv2d, nn.Linear, nn.GroupNorm, InstanceNorm, nn.BatchNorm2d, nn.ReLU, nn.Identity),
    *(nn.Flatten, nn.MaxPool2d, nn.AdaptiveAvgPool2d, AveragePool),
)
"""Layers that `join` keeps apart, or that keep channels apart by themselves."""


def joinable(network: nn.Module) -> bool:
    """Whether `join` knows every layer of a network of the package's families: one with others is trained alone."""
    kinds = {type(module) for module in network.modules()}
    return all(kind in KNOWN or kind.__module__ == "torchvision.models.resnet" for kind in kinds)


class Joined(nn.Module):
    """g networks: images (B, g·C, H, W), those of each on its own channels, to logits (B, g, classes).

    A tensor of parameters holds those of all networks, one after the other along its first dimension.
    """

    def __init__(self, whole: nn.Module, count: int):
        super().__init__()
        self.whole, self.count = whole, count

    def forward(self, images: Tensor) -> Tensor:
        return self.whole(images).unflatten(1, (self.count, -1))


def join(networks: Sequence[nn.Module]) -> nn.Module:
    """The networks joined, or the only one as it is.

    From then on their parameters and buffers are parts of the joined network's: what changes one in place changes the
    other.

    Args:
        networks: `joinable`, all of one structure and on one device.
    """
    if len(networks) == 1:
        return networks[0]
    whole, count = copy.deepcopy(networks[0]), len(networks)
    for path, module in list(whole.named_modules()):
        parts = [network.get_submodule(path) for network in networks]
        for name, parameter in module.named_parameters(recurse=False):
            joined = _shared([getattr(part, name) for part in parts])
            module.register_parameter(name, nn.Parameter(joined, requires_grad=parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.dim():  # not the number of batches that batch norm has seen
                module.register_buffer(name, _shared([getattr(part, name) for part in parts]))
        _widen(whole, path, module, count)
    return Joined(whole, count)


def _shared(parts: Sequence[Tensor]) -> Tensor:
    """The tensors one after the other; they become parts of it."""
    joined = torch.cat([part.detach() for part in parts])
    for part, view in zip(parts, joined.chunk(len(parts)), strict=True):
        part.data = view
    return joined


def _widen(whole: nn.Module, path: str, module: nn.Module, count: int) -> None:
    """Have a layer keep `count` networks apart."""
    if isinstance(module, nn.Conv2d):
        module.groups *= count
    elif isinstance(module, nn.GroupNorm):
        module.num_groups *= count
    elif isinstance(module, nn.Linear):
        parent, _, name = path.rpartition(".")
        setattr(whole.get_submodule(parent), name, _Linears(module, count))


class _Linears(nn.Module):
    """A linear layer for each network: (B, g·inputs) to (B, g·outputs)."""

    def __init__(self, joined: nn.Linear, count: int):
        super().__init__()
        self.weight, self.bias, self.count = joined.weight, joined.bias, count

    def forward(self, inputs: Tensor) -> Tensor:
        each = inputs.unflatten(1, (self.count, -1)).transpose(0, 1)
        weights = self.weight.unflatten(0, (self.count, -1)).mT
        biases = self.bias.unflatten(0, (self.count, 1, -1))
        return torch.baddbmm(biases, each, weights).transpose(0, 1).flatten(1)
