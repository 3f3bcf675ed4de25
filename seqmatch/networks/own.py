"""Networks of the user's own: a class that the configuration names, as `family: module:Class`.

It is called as ``Class(shape, classes, **options)``, with the shape (C, H, W) of an image, the number of classes, and
`options` of its section. It gives a module that takes normalised images (N, C, H, W) to logits (N, classes).

The constructor draws from PyTorch's own generator of the CPU, as modules do. It is set for this time, and put back.
"""

import math
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqmatch import config
from seqmatch.errors import SeqmatchError, ran_out_of_memory
from seqmatch.networks.layers import averages_batches
from seqmatch.seeds import Seed

EMPTY = (torch.empty, torch.empty_like, torch.empty_strided, torch.Tensor.new_empty)

ROUNDING = 1e-3
"""Of logits, relative: what is larger than any rounding of float32."""

_checked: set[str] = set()
"""Descriptions of networks that this process has tried."""


def build_own(spec: config.Architecture, shape: tuple[int, int, int], classes: int, seed: Seed) -> nn.Module:
    """A network of the class that `spec` names, on the CPU; equal seeds give equal parameters.

    The first one of a kind is tried: made again, and shown some images.

    Raises:
        SeqmatchError: there is no such class, or it cannot be used; the message says why.
    """
    network = _made(spec, shape, classes, seed)
    tried = repr((spec, shape, classes))
    if tried not in _checked:
        _try(spec, network, _made(spec, shape, classes, seed), shape, classes)
        _checked.add(tried)
    return network


def _made(spec: config.Architecture, shape: tuple[int, int, int], classes: int, seed: Seed) -> nn.Module:
    kind = _class(spec)
    with _explained(spec, f"{kind.__name__}({shape}, {classes}, **{spec.options})"), drawing(seed.integer()):
        network = kind(shape, classes, **spec.options)
    if not isinstance(network, nn.Module) or not list(network.parameters()):
        raise _error(spec, "it has to make a torch.nn.Module with parameters")
    if any(isinstance(tensor, nn.parameter.UninitializedTensorMixin) for tensor in network.parameters()):
        raise _error(spec, "its layers have to know their sizes from the start (no Lazy modules)")
    if not all(parameter.is_floating_point() for parameter in network.parameters()):
        raise _error(spec, "its parameters have to be real numbers (floating point)")
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    if frozen:
        raise _error(spec, f"its parameter {frozen[0]} is frozen; what shall not be trained has to be a buffer")
    return network.float()


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Meanwhile PyTorch's generator of the CPU starts from `seed`, and tensors that nobody fills hold no numbers."""
    generator, state = torch.default_generator, torch.default_generator.get_state()
    try:
        generator.manual_seed(seed)
        with _Unfilled():
            yield
    finally:
        generator.set_state(state)


class _Unfilled(TorchFunctionMode):
    """Memory that is not filled reads as NaN, instead of whatever it held."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if function in EMPTY and made.is_floating_point():
            made.detach().fill_(math.nan)
        return made


def _class(spec: config.Architecture) -> Any:
    """Found in the folder that the command runs in, after all that is installed."""
    module, _, name = spec.code.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    with _explained(spec, f"import {module}"):
        found = import_module(module)
    if not callable(getattr(found, name, None)):
        raise _error(spec, f"{getattr(found, '__file__', None) or module} has no class {name}")
    return getattr(found, name)


@contextmanager
def _explained(spec: config.Architecture, what: str) -> Iterator[None]:
    """An error of the user's own code, with the line that it comes from."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise _error(spec, f"there is no module {error.name}, neither installed nor in {Path.cwd()}") from None
    except (Exception, SystemExit) as error:
        if ran_out_of_memory(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        last = ([frame for frame in frames if frame.filename != __file__] or frames)[-1]
        where = f"{last.filename}, line {last.lineno}"
        raise _error(spec, f"{what} fails: {type(error).__name__}: {error} ({where})") from error


def _try(
    spec: config.Architecture, network: nn.Module, again: nn.Module, shape: tuple[int, int, int], classes: int
) -> None:
    """Refuse a network that cannot be trained reproducibly."""
    state, repeated = network.state_dict(), again.state_dict()
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise _error(spec, f"its {name} is not filled with numbers; give it initial values")
        if not torch.equal(tensor, repeated[name]):
            raise _error(spec, f"its {name} differs from call to call; draw from PyTorch's generator alone")
    images = torch.randn(2, *shape, generator=Seed("images to try a network with").generator())
    with _explained(spec, f"a batch of images {tuple(images.shape)}"), drawing(0):
        before = torch.default_generator.get_state()
        first, second = again.train()(images), again.train()(images)
        drew = not torch.equal(before, torch.default_generator.get_state())
    if not isinstance(first, Tensor) or first.shape != (2, classes):
        found = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise _error(spec, f"for images {tuple(images.shape)} it gives {found}, not logits {(2, classes)}")
    if not first.isfinite().all():
        raise _error(spec, "its logits are not finite at the start")
    if drew or not torch.equal(first, second):
        raise _error(spec, "its logits differ from call to call; networks must not draw random numbers (dropout)")
    if not averages_batches(again):
        with _explained(spec, f"a single image {(1, *shape)}"), torch.no_grad():
            alone = torch.cat([again(image) for image in images.split(1)])
        if not torch.allclose(alone, first, rtol=ROUNDING, atol=ROUNDING * float(first.abs().max())):
            raise _error(
                spec,
                "its logits for an image depend on the others of its minibatch, and no module of it says so; use "
                "torch.nn's batch norm",
            )
    with _explained(spec, "the gradient of its logits"):
        slopes = torch.autograd.grad(first.sum(), list(again.parameters()), allow_unused=True)
    for (name, _), slope in zip(again.named_parameters(), slopes, strict=True):
        if slope is None:
            raise _error(
                spec, f"its parameter {name} has no part in its logits, so that it cannot be trained; leave it out"
            )


def _error(spec: config.Architecture, reason: str) -> SeqmatchError:
    return SeqmatchError(f"architecture of family {spec.family}: {reason}")
