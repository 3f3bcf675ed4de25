"""How distillation updates images and step size: PyTorch's optimisers in functional form, with their state in the open.

Explicit state is what checkpoints save; and an optimiser object would import PyTorch's compiler, seconds per process.
"""

import torch
from torch import Tensor
from torch.optim.adam import adam

from seqmatch import config
from seqmatch.training import loop


def sgd_step(
    tensor: Tensor, gradient: Tensor, state: dict[str, Tensor], rate: float, matching: config.Matching
) -> None:
    """PyTorch's SGD with momentum."""
    loop.sgd_step([tensor], [gradient], [state["velocity"]], rate, matching.momentum)


@torch.no_grad()
def adam_step(
    tensor: Tensor, gradient: Tensor, state: dict[str, Tensor], rate: float, matching: config.Matching
) -> None:
    """PyTorch's Adam, in its functional form."""
    adam(
        [tensor],
        [gradient],
        [state["mean"]],
        [state["square"]],
        [],
        [state["steps"]],
        amsgrad=False,
        beta1=matching.beta1,
        beta2=0.999,
        lr=rate,
        weight_decay=0,
        eps=1e-8,
        maximize=False,
    )


OPTIMIZERS = {
    "sgd": (sgd_step, lambda tensor: {"velocity": torch.zeros_like(tensor)}),
    "adam": (
        adam_step,
        lambda tensor: {
            "mean": torch.zeros_like(tensor),
            "square": torch.zeros_like(tensor),
            "steps": torch.zeros((), dtype=torch.float32),
        },
    ),
}
"""By the name that `matching.optimizer` gives: how to update a tensor in place, and the state it needs."""
