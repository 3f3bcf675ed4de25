"""Expert trajectories: the parameters of networks on real data, after every epoch (Cazenavette et al. 2022)."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.files.kinds import EXPERTS
from seqmatch.files.schema import ADVICE, Dimensions, Layout
from seqmatch.files.store import open_tensors
from seqmatch.files.tensors import save_tensors
from seqmatch.training.ensemble import GradientsFor, Member, always_eager, train_ensemble
from seqmatch.training.inference import is_finite
from seqmatch.training.loop import Phase, Position, with_parameters


def record_trajectories(
    members: Sequence[Member],
    augmentation: Sequence[str],
    gradients_for: GradientsFor = always_eager,
    checkpoint: Checkpoint | None = None,
) -> list[Tensor]:
    """Train networks and record their P parameters through the last phase: at its start and after each epoch.

    Args:
        members: the last phase of each is on real data; those before it lead a teacher through earlier subsets.
        augmentation, gradients_for, checkpoint: as `train_ensemble` takes them; without a checkpoint nothing is saved.

    Returns:
        float32 (epochs + 1, P) per member, on the CPU.

    Raises:
        SeqmatchError: the training of a network diverged.
    """

    def record(network: nn.Module, position: Position) -> Tensor | None:
        phases = members[0].phases
        if position.phase + 1 < len(phases):
            return None
        if (position.epoch == 0 or position.last) and not is_finite(network):
            raise SeqmatchError(_divergence(phases, position))
        return parameters_to_vector(network.parameters())

    trained = train_ensemble(members, record, augmentation, gradients_for, checkpoint or NoCheckpoint(), "experts")
    return [torch.stack(member.records) for member in trained]


def _divergence(phases: Sequence[Phase], position: Position) -> str:
    if position.epoch == 0:
        rates = ", ".join(f"{phase.stage.step_size:g}" for phase in phases[:-1])
        return (
            f"a teacher diverged on the earlier subsets, at step sizes {rates}; "
            "set evaluation.learning_rate, or distil them again with a lower lr_step_size"
        )
    return (
        f"an expert diverged: its parameters are not finite after {position.epoch} epochs at learning rate "
        f"{phases[-1].stage.step_size:g}; lower experts.*.learning_rate"
    )


def save_shard(path: Path, trajectories: Sequence[Tensor], header: dict[str, Any], storage: str = "float32") -> None:
    """Write the trajectories of several experts, each (epochs + 1, P).

    As `float32`: one tensor (experts, epochs + 1, P). As `float16`: the starts (experts, P) in full, and the moves
    away from them in half precision, whose rounding is then relative to the distance travelled.
    """
    whole = torch.stack(list(trajectories))
    if storage == "float32":
        save_tensors(path, {"trajectories": whole}, header)
    else:
        starts = whole[:, 0]
        save_tensors(path, {"starts": starts, "moves": (whole - starts[:, None]).half()}, header)


class Trajectories:
    """The experts in several shards, read one parameter vector at a time; a context manager."""

    def __init__(self, shards: Sequence[Path], known: Dimensions | None = None):
        """Open the files without reading them, but for their checksums.

        Args:
            known: P, the number of parameters of the network that they are for, where that is known.

        Raises:
            SeqmatchError: a file is missing or damaged, not a shard of experts, or of another network.
        """
        self._files = ExitStack()
        files: list[_Shard] = []
        for path in shards:
            opened, layout = self._files.enter_context(open_tensors(path, EXPERTS, known))
            files.append(_Shard.open(path, opened, layout))
            known = {"P": layout.dimensions["P"]}
        self._experts = [(shard, row) for shard in files for row in range(shard.experts)]
        self.epochs = min(shard.epochs for shard in files)
        """Epochs that every expert recorded."""

    def __len__(self) -> int:
        return len(self._experts)

    def parameters(self, expert: int, epoch: int) -> Tensor:
        """Parameters of one expert after `epoch` epochs (0: at the start), float32 (P,).

        Raises:
            SeqmatchError: they are not finite.
        """
        shard, row = self._experts[expert]
        return shard.parameters(row, epoch)

    def load(self, network: nn.Module, expert: int, epoch: int) -> nn.Module:
        """`network` with these parameters, which it keeps on its device."""
        return with_parameters(network, self.parameters(expert, epoch))

    def __enter__(self) -> "Trajectories":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


@dataclass(frozen=True)
class _Shard:
    """What an open file holds: whole trajectories, or starts and the moves away from them."""

    path: Path
    rows: Any
    starts: Any | None
    experts: int
    epochs: int

    @classmethod
    def open(cls, path: Path, file: Any, layout: Layout) -> "_Shard":
        whole = "trajectories" in layout.arrays
        rows = file.get_slice("trajectories" if whole else "moves")
        starts = None if whole else file.get_slice("starts")
        return cls(path, rows, starts, layout.dimensions["experts"], layout.dimensions["moments"] - 1)

    def parameters(self, row: int, epoch: int) -> Tensor:
        stored = self.rows[row : row + 1, epoch : epoch + 1].view(-1)
        found = stored if self.starts is None else self.starts[row : row + 1].view(-1) + stored
        if not all(map(torch.isfinite, found.aminmax())):
            raise SeqmatchError(f"{self.path}: expert {row} after {epoch} epochs: not finite; {ADVICE}")
        return found
