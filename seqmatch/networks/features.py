"""What a network makes of images before its last linear layer, and what that layer makes of it."""

from torch import Tensor, nn


def head(network: nn.Module) -> nn.Linear:
    """The last linear layer, with an output for each class."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def features(network: nn.Module, images: Tensor) -> Tensor:
    """The input of the last linear layer of `network` for images (N, C, H, W): (N, d), differentiable."""
    seen: list[Tensor] = []
    handle = head(network).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        network(images)
    finally:
        handle.remove()
    return seen[0]
