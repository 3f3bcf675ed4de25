"""Networks trained one after the other: experts, teachers, evaluation, scores and loss records are one loop.

They differ in what they record along the way. Records and the network in training are checkpointed, and a resumed run
ends with the same bits.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.kinds import training_state
from seqmatch.files.schema import Kind
from seqmatch.runtime.progress import Progress
from seqmatch.training.gradients import Gradients, eager_gradients
from seqmatch.training.loop import Phase, Position, images_seen, train

Record = Callable[[nn.Module, Position], Tensor | None]
"""What to record of a network at a position of its training: a tensor, always of one shape, or None for nothing.

The tensor must be a copy: training changes parameters in place.
"""

GradientsFor = Callable[[int], Gradients]
"""From the number of images that will be trained on, counted anew each epoch, to how gradients are computed.

Compiling takes a while, so it pays only for many images.
"""


def always_eager(images: int) -> Gradients:
    """Without the compiler, however many images there are."""
    return eager_gradients


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    start: Callable[[], nn.Module]
    phases: Sequence[Phase]


@dataclass(frozen=True)
class Trained:
    """What was recorded of one network, and how long it trained."""

    records: tuple[Tensor, ...]
    """On the CPU."""
    seconds: float


def train_ensemble(
    members: Sequence[Member],
    record: Record,
    augmentation: Sequence[str],
    gradients_for: GradientsFor,
    checkpoint: Checkpoint,
    name: str,
) -> list[Trained]:
    """Train each member through its phases.

    Args:
        record: asked at every position that `train` yields.
        augmentation: that of the data, as for `train`.
        gradients_for: called once, with the images of all members, finished ones too: a resumed run chooses the same.
        checkpoint: where the state is saved; a state that is there already is resumed.
        name: shown with the progress.
    """
    gradients = gradients_for(sum(images_seen(member.phases) for member in members))
    state = _State.load(checkpoint.load(partial(_kind_of_state, members)))
    epochs = [sum(phase.epochs for phase in member.phases) for member in members]
    done = sum(epochs[: len(state.finished)]) + state.epochs_done(members)
    with checkpoint, Progress(total=sum(epochs), initial=done, unit="epoch", desc=name) as progress:
        for index in range(len(state.finished), len(members)):
            progress.set_postfix(network=f"{index + 1}/{len(members)}", refresh=False)
            network, phases = members[index].start(), members[index].phases
            if state.position is not None:
                network.load_state_dict(state.network)
            records, start = list(state.records), time.perf_counter() - state.seconds
            for position in train(network, phases, augmentation, gradients, state.resumed(network)):
                tensor = record(network, position)
                if tensor is not None:
                    records.append(tensor.detach().cpu())
                progress.update(position.epoch > 0)
                now = _State(state.finished, tuple(records), time.perf_counter() - start, position)
                checkpoint.reached(partial(now.copied, network))
            state = _State((*state.finished, Trained(tuple(records), time.perf_counter() - start)))
    return list(state.finished)


def _kind_of_state(members: Sequence[Member]) -> Kind:
    """What a saved state of their training holds."""
    network = members[0].start()
    live = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    live |= {f"velocity.{index:04}": tensor for index, tensor in enumerate(network.parameters())}
    return training_state(live, [[phase.epochs for phase in member.phases] for member in members])


@dataclass(frozen=True)
class _State:
    """Finished networks, and the one in training."""

    finished: tuple[Trained, ...] = ()
    records: tuple[Tensor, ...] = ()
    seconds: float = 0.0
    position: Position | None = None
    network: dict[str, Tensor] | None = None
    """Its parameters and buffers, where this state is a copy."""

    def epochs_done(self, members: Sequence[Member]) -> int:
        """Of the network in training."""
        if self.position is None:
            return 0
        phases = members[len(self.finished)].phases
        return sum(phase.epochs for phase in phases[: self.position.phase]) + self.position.epoch

    def resumed(self, network: nn.Module) -> Position | None:
        """The position to go on from, with its tensors where the network is."""
        if self.position is None:
            return None
        device = next(network.parameters()).device
        velocities = tuple(velocity.to(device) for velocity in self.position.velocities)
        return Position(self.position.phase, self.position.epoch, velocities)

    def copied(self, network: nn.Module) -> "_State":
        """This moment, with copies of what training changes in place."""
        velocities = tuple(velocity.clone() for velocity in self.position.velocities)
        position = Position(self.position.phase, self.position.epoch, velocities)
        tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        return _State(self.finished, self.records, self.seconds, position, tensors)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        members = [*self.finished, Trained(self.records, self.seconds)]
        records = [tensor for member in members for tensor in member.records]
        return {
            "counts": torch.tensor([len(member.records) for member in members]),
            "seconds": torch.tensor([member.seconds for member in members], dtype=torch.float64),
            "position": torch.tensor([self.position.phase, self.position.epoch]),
            **({"records": torch.stack(records)} if records else {}),
            **{f"network.{name}": tensor for name, tensor in self.network.items()},
            **{f"velocity.{index:04}": tensor for index, tensor in enumerate(self.position.velocities)},
        }

    @classmethod
    def load(cls, saved: dict[str, Tensor] | None) -> "_State":
        """The state with these tensors; without any, that in which nothing has begun."""
        if saved is None:
            return cls()
        counts, seconds = saved["counts"].tolist(), saved["seconds"].tolist()
        parts = saved["records"].split(counts) if "records" in saved else [()] * len(counts)
        *finished, current = [Trained(tuple(part), spent) for part, spent in zip(parts, seconds, strict=True)]
        phase, epoch = saved["position"].tolist()
        velocities = tuple(saved[name] for name in sorted(saved) if name.startswith("velocity."))
        network = {name.removeprefix("network."): t for name, t in saved.items() if name.startswith("network.")}
        return cls(tuple(finished), current.records, current.seconds, Position(phase, epoch, velocities), network)
