"""What a network makes of images before its last linear layer, and what that layer makes of it."""

from torch import Tensor, nn

from seqmatch.errors import SeqmatchError

HEADLESS = "has no head: its logits have to be what its last linear layer (torch.nn.Linear) gives, for its features"


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
