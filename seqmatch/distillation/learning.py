"""Networks that learn from the synthetic images while these are distilled."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from seqmatch import config
from seqmatch.seeds import Seed
from seqmatch.training.loop import NewNetwork, Phase, Stage, train_through

NetworkOf = Callable[[Tensor, float, int], nn.Module]
"""All synthetic images, a step size and the number of an iteration to the network of this iteration."""


def learning(
    new_network: NewNetwork,
    labels: Tensor,
    matching: config.LearningMatching,
    augmentation: Sequence[str],
    seed: Seed,
) -> NetworkOf:
    """A new network every `matching.updates_per_network` iterations, which learns between two of them.

    It learns from all synthetic images, for `matching.network_epochs`. It has to be asked for from such a beginning on,
    one iteration after the other.

    Args:
        labels: of all synthetic images.
        augmentation: DSA operations of what it learns from.
    """
    network: nn.Module | None = None

    def network_of(synthetic: Tensor, step_size: float, iteration: int) -> nn.Module:
        nonlocal network
        if iteration % matching.updates_per_network == 0:
            network = new_network(seed / iteration / "network")
        else:
            learned = Phase(
                Stage(synthetic, labels, step_size), matching.network_epochs, matching.learner, seed / iteration
            )
            train_through(network, [learned], augmentation)
        return network

    return network_of
