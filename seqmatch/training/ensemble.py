"""Many networks trained: experts, teachers, evaluation, scores and loss records are one loop.

They differ in what they record along the way. Networks train one after the other, or several small ones as one. Records
and the networks in training are checkpointed, and a resumed run ends with the same bits.
"""

import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.kinds import training_state
from seqmatch.files.schema import Kind
from seqmatch.runtime.progress import Progress
from seqmatch.training.gradients import EAGER, Gradients, trained
from seqmatch.training.loop import Phase, Position, alike, images_seen, minibatch, train_joined

Record = Callable[[nn.Module, Position], Tensor | None]
"""What to record of a network at a position of its training: a tensor, always of one shape, or None for nothing.

The tensor must be a copy: training changes parameters in place.
"""

GradientsFor = Callable[[int], Gradients]
"""From the number of images that will be trained on, counted anew each epoch, to how gradients are computed.

Compiling takes a while, so it pays only for many images.
"""


def always_eager(images: int) -> Gradients:
    """Without the compiler, one network after the other, however many images there are."""
    return EAGER


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    start: Callable[[], nn.Module]
    phases: Sequence[Phase]
    lot: Hashable = None
    """Only neighbours of one lot are trained as one, so that what is found of them does not depend, in its last bits,
    on which other lots there are."""


@dataclass(frozen=True)
class Trained:
    """What was recorded of one network, and how long it trained."""

    records: tuple[Tensor, ...]
    """On the CPU."""
    seconds: float
    """Of networks that were trained as one an equal share each."""


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
    groups = _groups(members, gradients)
    state = _State.load(checkpoint.load(partial(_kind_of_state, members, groups)))
    epochs = [sum(phase.epochs for phase in member.phases) for member in members]
    done = sum(epochs[: len(state.finished)]) + state.epochs_done(members)
    with checkpoint, Progress(total=sum(epochs), initial=done, unit="epoch", desc=name) as progress:
        for group in groups:
            if group.stop <= len(state.finished):
                continue
            progress.set_postfix(network=f"{group.stop}/{len(members)}", refresh=False)
            networks, phases = [members[index].start() for index in group], [members[index].phases for index in group]
            resumed = state.restore(networks)
            records = [list(member.records) for member in state.training] or [[] for _ in group]
            start = time.perf_counter() - sum(member.seconds for member in state.training)
            for position in train_joined(networks, phases, augmentation, gradients, resumed):
                for network, found in zip(networks, records, strict=True):
                    tensor = record(network, position)
                    if tensor is not None:
                        found.append(tensor.detach().cpu())
                progress.update(len(group) * (position.epoch > 0))
                now = _State(state.finished, _trained(records, start), position)
                checkpoint.reached(partial(now.copied, networks))
            state = _State((*state.finished, *_trained(records, start)))
    return list(state.finished)


def _trained(records: Sequence[Sequence[Tensor]], start: float) -> tuple[Trained, ...]:
    seconds = (time.perf_counter() - start) / len(records)
    return tuple(Trained(tuple(found), seconds) for found in records)


def _groups(members: Sequence[Member], gradients: Gradients) -> list[range]:
    """Members that are trained as one: neighbours that are alike, in groups of nearly equal sizes."""
    groups: list[range] = []
    for index, member in enumerate(members):
        first = members[groups[-1].start] if groups else None
        if first and member.lot == first.lot and alike(first.phases, member.phases):
            groups[-1] = range(groups[-1].start, index + 1)
        else:
            groups.append(range(index, index + 1))
    return [part for group in groups for part in _parts(group, gradients.joined(_largest(members[group.start])))]


def _largest(member: Member) -> int:
    """Images of its largest minibatch."""
    return max(map(minibatch, member.phases), default=1)


def _parts(group: range, most: int) -> list[range]:
    """The group in as few parts as there can be of `most` members."""
    count = -(-len(group) // most)
    return [
        range(*pair) for pair in itertools.pairwise(group.start + len(group) * i // count for i in range(count + 1))
    ]


def _kind_of_state(members: Sequence[Member], groups: Sequence[range]) -> Kind:
    """What a saved state of their training holds."""
    network = members[0].start()
    live = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    live |= {f"velocity.{index:04}": tensor for index, tensor in enumerate(trained(network))}
    epochs = {group: [phase.epochs for phase in members[group.start].phases] for group in groups}
    return training_state(live, {group.stop: (len(group), epochs[group]) for group in groups})


@dataclass(frozen=True)
class _State:
    """Finished networks, and those in training."""

    finished: tuple[Trained, ...] = ()
    training: tuple[Trained, ...] = ()
    """So far."""
    position: Position | None = None
    live: dict[str, Tensor] | None = None
    """Parameters, buffers and momentum of the networks in training, (g, …), where this state is a copy."""

    def epochs_done(self, members: Sequence[Member]) -> int:
        """Of the networks in training, all together."""
        if self.position is None:
            return 0
        phases = members[len(self.finished)].phases
        each = sum(phase.epochs for phase in phases[: self.position.phase]) + self.position.epoch
        return each * len(self.training)

    def restore(self, networks: Sequence[nn.Module]) -> Position | None:
        """Give the networks in training what they had; the position to go on from, None at the start."""
        if self.position is None:
            return None
        for index, network in enumerate(networks):
            network.load_state_dict({name: self.live[f"network.{name}"][index] for name in network.state_dict()})
        device = next(networks[0].parameters()).device
        velocities = [self.live[name] for name in sorted(self.live) if name.startswith("velocity.")]
        shapes = [parameter.shape for parameter in trained(networks[0])]
        momentum = tuple(
            velocity.reshape((-1, *shape[1:]) if shape else ()).to(device)
            for velocity, shape in zip(velocities, shapes, strict=True)
        )
        return Position(self.position.phase, self.position.epoch, momentum)

    def copied(self, networks: Sequence[nn.Module]) -> "_State":
        """This moment, with copies of what training changes in place."""
        states = [network.state_dict() for network in networks]
        live = {f"network.{name}": torch.stack([state[name] for state in states]) for name in states[0]}
        for index, velocity in enumerate(self.position.velocities):
            of_each = (-1, *velocity.shape[1:]) if velocity.dim() else ()
            live[f"velocity.{index:04}"] = velocity.reshape(len(networks), *of_each).clone()
        return _State(self.finished, self.training, self.position, live)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        members = [*self.finished, *self.training]
        records = [tensor for member in members for tensor in member.records]
        return {
            "counts": torch.tensor([len(member.records) for member in members]),
            "seconds": torch.tensor([member.seconds for member in members], dtype=torch.float64),
            "position": torch.tensor([self.position.phase, self.position.epoch]),
            **({"records": torch.stack(records)} if records else {}),
            **self.live,
        }

    @classmethod
    def load(cls, saved: dict[str, Tensor] | None) -> "_State":
        """The state with these tensors; without any, that in which nothing has begun."""
        if saved is None:
            return cls()
        counts, seconds = saved["counts"].tolist(), saved["seconds"].tolist()
        parts = saved["records"].split(counts) if "records" in saved else [()] * len(counts)
        members = [Trained(tuple(part), spent) for part, spent in zip(parts, seconds, strict=True)]
        live = {name: tensor for name, tensor in saved.items() if name.startswith(("network.", "velocity."))}
        finished = len(members) - len(live["velocity.0000"])
        return cls(tuple(members[:finished]), tuple(members[finished:]), Position(*saved["position"].tolist()), live)
