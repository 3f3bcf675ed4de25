"""What a network makes of images on the way to its last linear layer, and what that layer makes of it."""

from collections.abc import Callable
from contextlib import ExitStack

from torch import Tensor, nn

from seqmatch.errors import SeqmatchError

HEADLESS = "has no head: its logits have to be what its last linear layer (torch.nn.Linear) gives, for its features"

ACTIVATIONS = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Softplus, nn.Tanh, nn.Sigmoid),
)
"""Modules whose output is that of a layer."""


def head(network: nn.Module) -> nn.Linear:
    """The last linear layer, with an output for each class.

    Raises:
        SeqmatchError: there is none.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise SeqmatchError(f"{type(network).__name__} {HEADLESS}")
    return layers[-1]


def features(network: nn.Module, images: Tensor) -> Tensor:
    """The input of the last linear layer of `network` for images (N, C, H, W): (N, d), differentiable.

    Raises:
        SeqmatchError: the logits are not what a last linear layer gives.
    """
    seen: list[tuple[Tensor, Tensor]] = []
    handle = head(network).register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    try:
        logits = network(images)
    finally:
        handle.remove()
    if not seen or seen[-1][1] is not logits:
        raise SeqmatchError(f"{type(network).__name__} {HEADLESS}")
    return seen[-1][0]


def layer_maps(
    network: nn.Module, images: Tensor, read: Callable[[Tensor], Tensor] = lambda maps: maps
) -> tuple[list[Tensor], Tensor]:
    """The maps that `network` makes of images (N, C, H, W), layer after layer, and its features (N, d).

    A layer ends with an activation, a module of `ACTIVATIONS`: its output, before any pooling, is (N, …). All are
    differentiable.

    Args:
        read: what to take of a layer's maps. It is called at once, so that whatever it leaves out can be freed, and
            before a later layer may change the maps in place.

    Raises:
        SeqmatchError: there is no such layer, or one without a map for each image; or as `features`.
    """
    found: list[Tensor] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], maps: Tensor) -> None:
        if maps.dim() < 2 or len(maps) != len(images):
            raise SeqmatchError(
                f"{type(network).__name__}: of {len(images)} images a layer ({type(module).__name__}) gives "
                f"{tuple(maps.shape)}, not maps for each image; take a method that does not match layers"
            )
        found.append(read(maps))

    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, ACTIVATIONS):
                hooks.callback(module.register_forward_hook(note).remove)
        last = features(network, images)
    if not found:
        names = ", ".join(kind.__name__ for kind in ACTIVATIONS)
        raise SeqmatchError(
            f"{type(network).__name__} has no layers whose maps can be matched: none of its modules is an activation "
            f"of torch.nn ({names}); give it some, or take a method that does not match layers"
        )
    return found, last
