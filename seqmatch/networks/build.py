"""From a description to a network with explicit randomness."""

import math
from pkgutil import resolve_name

import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.config.catalog import LARGEST_SIDE, SMALLEST_SIDE
from seqmatch.errors import SeqmatchError
from seqmatch.networks.own import build_own, drawing
from seqmatch.seeds import Seed


def structure(spec: config.Architecture, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A network of the package's own families on the meta device: its layers and shapes, without any numbers.

    Args:
        shape: (C, H, W) of an image, C 1 or 3, H = W from 8 to 128.
        classes: outputs, at least 2.

    Raises:
        SeqmatchError: no such network can work on such images.
    """
    _check(shape, classes)
    make = resolve_name(spec.code)  # by its name: a job's fingerprint then covers its own family alone
    with torch.device("meta"):
        return make(spec, shape[0], shape[1], classes)


def _check(shape: tuple[int, int, int], classes: int) -> None:
    channels, height, width = shape
    if height != width or not SMALLEST_SIDE <= height <= LARGEST_SIDE:
        raise SeqmatchError(
            f"images of {height}×{width} pixels: networks take square ones of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
        )
    if channels not in (1, 3):
        raise SeqmatchError(f"images of {channels} channels: networks take grey (1) or colour (3) ones")
    if classes < 2:
        raise SeqmatchError(f"{classes} classes: a classifier needs at least 2")


def activations(spec: config.Architecture, shape: tuple[int, int, int], classes: int) -> list[int]:
    """How many numbers each convolution writes for one image; see `written`.

    Raises:
        SeqmatchError: as `build`.
    """
    return written(build(spec, shape, classes, Seed("activations")).eval(), torch.zeros(1, *shape))


def written(network: nn.Module, image: Tensor) -> list[int]:
    """How many numbers each convolution of `network`, in evaluation mode, writes for an image (1, C, H, W).

    So does every other layer that has a matrix, but for the last one, which writes a number per class. Where there is
    no such layer, what counts is the image.
    """
    matrices = [module for module in network.modules() if isinstance(module, nn.Linear)]
    layers = [(module, size) for module, size in _layers(network, image) if module not in matrices[-1:]]
    return [size for _, size in layers] or [image.numel()]


@torch.inference_mode()
def _layers(network: nn.Module, image: Tensor) -> list[tuple[nn.Module, int]]:
    """The layers that have a matrix, in the order in which they see an image, and how many numbers each writes."""
    found: list[tuple[nn.Module, int]] = []

    def note(module: nn.Module, images: tuple[Tensor], maps: Tensor | tuple[Tensor, ...]) -> None:
        found.append((module, (maps[0] if isinstance(maps, tuple) else maps).numel()))

    hooks = [module.register_forward_hook(note) for module in network.modules() if _matrix(module) is not None]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _matrix(module: nn.Module) -> Tensor | None:
    """The weight of a layer that multiplies by a matrix, as convolutions do."""
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, nn.Parameter) and weight.dim() >= 2 else None


def count_operations(
    spec: config.Architecture, shape: tuple[int, int, int], classes: int
) -> tuple[float, float, int, int, int]:
    """Of one image's forward pass: operations in the first layer and in all others, parameters, numbers that layers
    write, and layers.

    Counts two operations for each multiplication of convolutions, linear layers, and others that have a matrix: a bound
    from below, which is 0 where there are none.

    Raises:
        SeqmatchError: as `build`.
    """
    network = build(spec, shape, classes, Seed("operations")).eval()
    layers = _layers(network, torch.zeros(1, *shape))
    first, *rest = [2.0 * size * _matrix(layer)[0].numel() for layer, size in layers] or [0.0]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return first, sum(rest), parameters, sum(size for _, size in layers), len(layers)


def build(
    spec: config.Architecture,
    shape: tuple[int, int, int],
    classes: int,
    seed: Seed,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """A freshly initialised network on `device`; equal seeds give equal parameters on every device.

    Raises:
        SeqmatchError: no such network can work on such images, or a class of the user's own cannot be used.
    """
    if spec.own:
        _check(shape, classes)
        return build_own(spec, shape, classes, seed).to(device)
    network = structure(spec, shape, classes)
    for module in network.modules():  # not Module.to_empty, which imports sympy: seconds per process
        for name, parameter in module.named_parameters(recurse=False):
            module.register_parameter(name, nn.Parameter(torch.full(parameter.shape, math.nan)))
        for name, buffer in module.named_buffers(recurse=False):
            module.register_buffer(name, torch.empty(buffer.shape, dtype=buffer.dtype))
    initialize(network, seed.generator())
    return network.to(device)


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's default initialisation, drawn from `generator` alone: uniform ± 1/√fan_in for weights and biases.

    Layers of kinds that are not known here reset themselves.

    Raises:
        SeqmatchError: one cannot.
    """
    for name, module in network.named_modules():
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
        elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            _reset(name, module, generator)


def _reset(name: str, module: nn.Module, generator: torch.Generator) -> None:
    """Have a layer of an unknown kind fill its parameters; buffers that its constructor filled are lost.

    Raises:
        SeqmatchError: it does not.
    """
    if hasattr(module, "reset_parameters") and not list(module.buffers(recurse=False)):
        with drawing(int(torch.randint(2**32, (), generator=generator))):
            module.reset_parameters()
    filled = all(bool(parameter.isfinite().all()) for parameter in module.parameters(recurse=False))
    if not filled or list(module.buffers(recurse=False)):
        raise SeqmatchError(
            f"the layer {name or 'itself'} ({type(module).__name__}) does not fill its own numbers: it needs a method "
            "reset_parameters that sets every parameter, and no buffers; or give the network as a class of your own "
            "(docs/guide/extend.md)"
        )
