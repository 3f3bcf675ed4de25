"""What all jobs share that train networks on a synthetic set, to score it, to evaluate it or to measure it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from seqmatch import config
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import GradientsFor, Member, Record, Trained, always_eager, train_ensemble
from seqmatch.training.loop import NewNetwork, Stage, make_phases


@dataclass(frozen=True)
class Learner:
    """How networks are made and trained; what they learn from, and what is recorded of them, is said elsewhere."""

    new_network: NewNetwork
    """How networks are made: from a seed alone, on the device of the images that they will see."""
    settings: config.Evaluation
    """How long and at what pace they train. How many there are is a job's to say, by `settings.networks` if by none
    of its own."""
    augmentation: Sequence[str] = ()
    """DSA operations of the data set; `settings.augmentation` takes their place."""
    gradients_for: GradientsFor = always_eager
    """How the gradients of minibatches are computed, given the number of images that will be trained on."""
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    """Where the state of the job is saved and resumed from; by default nothing is saved."""

    def member(self, curriculum: Sequence[Stage], seed: Seed) -> Member:
        """A new network and its way through a curriculum.

        The network is drawn from ``seed / "initial"``, its minibatches in stage k, from 0, from ``seed / k``.
        """
        return Member(partial(self.new_network, seed / "initial"), make_phases(curriculum, self.settings, seed))

    def train(self, members: Sequence[Member], record: Record, name: str) -> list[Trained]:
        """Train each member and record it; `name` is that of the progress."""
        return train_ensemble(members, record, self.augmentation, self.gradients_for, self.checkpoint, name)

    def part(self, name: str) -> "Learner":
        """The same for a part of the job, whose state is saved by itself."""
        return replace(self, checkpoint=self.checkpoint.part(name))
