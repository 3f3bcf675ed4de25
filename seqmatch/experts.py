"""Expert trajectories: the parameters of networks on real data, after every epoch (Cazenavette et al. 2022)."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.store import open_tensors
from seqmatch.tensorfile import save_tensors
from seqmatch.training import Stage, is_finite, train


def record_trajectory(
    network: nn.Module,
    real: Stage,
    epochs: int,
    settings: config.Experts,
    augmentation: Sequence[str],
    seed: Seed,
) -> Tensor:
    """Train `network` in place on `real` and return its P parameters at the start and after each epoch.

    Returns:
        float32 (epochs + 1, P) on the CPU: copies, never views of the live parameters.

    Raises:
        SeqmatchError: the training diverged.
    """
    trajectory = [_snapshot(network)]
    train(
        network,
        real,
        epochs,
        settings,
        augmentation,
        seed,
        lambda epoch: trajectory.append(_snapshot(network)),
    )
    if not is_finite(network):
        raise SeqmatchError(
            f"an expert diverged: its parameters are not finite after {epochs} epochs at learning rate "
            f"{real.step_size:g}; lower experts.*.learning_rate"
        )
    return torch.stack(trajectory)


def save_shard(path: Path, trajectories: Sequence[Tensor], header: dict[str, Any]) -> None:
    """Write the trajectories of several experts as one tensor (experts, epochs + 1, P)."""
    save_tensors(path, {"trajectories": torch.stack(list(trajectories))}, header)


class Trajectories:
    """The experts in several shards, read a parameter vector at a time; a context manager."""

    def __init__(self, shards: Sequence[Path]):
        """Open the files without reading them.

        Raises:
            SeqmatchError: a file is missing or damaged.
        """
        self._files = ExitStack()
        slices = [_trajectories_of(path, self._files.enter_context(open_tensors(path))) for path in shards]
        self._experts = [(piece, row) for piece in slices for row in range(piece.get_shape()[0])]
        self.epochs = min(piece.get_shape()[1] for piece in slices) - 1
        """Epochs that every expert recorded."""

    def __len__(self) -> int:
        return len(self._experts)

    def parameters(self, expert: int, epoch: int) -> Tensor:
        """Parameters of one expert after `epoch` epochs (0: at the start), float32 (P,)."""
        piece, row = self._experts[expert]
        return piece[row : row + 1, epoch : epoch + 1].view(-1)

    def __enter__(self) -> "Trajectories":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


def _trajectories_of(path: Path, file: Any) -> Any:
    if "trajectories" not in file.keys():  # noqa: SIM118
        raise SeqmatchError(f"{path}: not a shard of experts; it has no trajectories")
    return file.get_slice("trajectories")


def _snapshot(network: nn.Module) -> Tensor:
    return parameters_to_vector(network.parameters()).detach().cpu().clone()
