"""From a description to a network with explicit randomness."""

import math
from importlib import import_module

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.config.sections import FAMILIES
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.seeds import Seed

SMALLEST, LARGEST = 8, 128


def structure(spec: config.Architecture, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network on the meta device: its layers and shapes, without any numbers.

    Args:
        shape: (C, H, W) of an image, C 1 or 3, H = W from 8 to 128.
        classes: outputs, at least 2.

    Raises:
        SeqmatchError: there is no such family, or no such network can work on such images.
    """
    channels, height, width = shape
    if height != width or not SMALLEST <= height <= LARGEST:
        raise SeqmatchError(
            f"images of {height}×{width} pixels: networks take square ones of {SMALLEST} to {LARGEST} pixels"
        )
    if channels not in (1, 3):
        raise SeqmatchError(f"images of {channels} channels: networks take grey (1) or colour (3) ones")
    if classes < 2:
        raise SeqmatchError(f"{classes} classes: a classifier needs at least 2")
    if spec.family not in FAMILIES:
        raise SeqmatchError(f"unknown family of networks {spec.family}; {allowed(spec.family, FAMILIES)}")
    module, _, function = spec.code.partition(":")
    with torch.device("meta"):
        return getattr(import_module(module), function)(spec, channels, height, classes)


def activations(spec: config.Architecture, shape: tuple[int, int, int], classes: int) -> list[int]:
    """How many numbers each convolution writes for one image.

    Raises:
        SeqmatchError: as `structure`.
    """
    return written(build(spec, shape, classes, Seed("activations")).eval(), torch.zeros(1, *shape))


@torch.inference_mode()
def written(network: nn.Module, image: Tensor) -> list[int]:
    """How many numbers each convolution of `network`, in evaluation mode, writes for an image (1, C, H, W)."""
    sizes: list[int] = []
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [each.register_forward_hook(lambda _, images, maps: sizes.append(maps.numel())) for each in convolutions]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes


def count_operations(spec: config.Architecture, shape: tuple[int, int, int], classes: int) -> tuple[float, float, int]:
    """Operations of one image's forward pass in the first layer and in all others, and parameters.

    Counts two operations for each multiplication of convolutions and linear layers.

    Raises:
        SeqmatchError: as `structure`.
    """
    network = structure(spec, shape, classes)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    written = activations(spec, shape, classes)
    operations = [2.0 * count * layer.weight[0].numel() for count, layer in zip(written, layers, strict=True)]
    operations += [2.0 * module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear)]
    return operations[0], sum(operations[1:]), sum(parameter.numel() for parameter in network.parameters())


def build(
    spec: config.Architecture,
    shape: tuple[int, int, int],
    classes: int,
    seed: Seed,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """A freshly initialised network on `device`; equal seeds give equal parameters on every device.

    Raises:
        SeqmatchError: as `structure`.
    """
    network = structure(spec, shape, classes)
    for module in network.modules():  # not Module.to_empty, which imports sympy: seconds per process
        for name, parameter in module.named_parameters(recurse=False):
            module.register_parameter(name, nn.Parameter(torch.empty(parameter.shape)))
        for name, buffer in module.named_buffers(recurse=False):
            module.register_buffer(name, torch.empty(buffer.shape, dtype=buffer.dtype))
    initialize(network, seed.generator())
    return network.to(device)


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's default initialisation, drawn from `generator` alone: uniform ± 1/√fan_in for weights and biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.GroupNorm):
            module.reset_parameters()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.reset_parameters()
