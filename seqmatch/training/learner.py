"""What jobs share that train networks on a synthetic set: scores, evaluation and measurements."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from seqmatch import config
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import GradientsFor, Member, Record, Trained, always_eager, train_ensemble
from seqmatch.training.loop import NewNetwork, Stage, make_phases


@dataclass(frozen=True)
class Learner:
    """How networks are made and trained. What they learn from, and what is recorded of them, is up to the job."""

    new_network: NewNetwork
    """How networks are made: from a seed alone, on the device of the images that they will see."""
    settings: config.Evaluation
    """How they train. Its `networks` is how many there are, unless the job has a number of its own."""
    augmentation: Sequence[str] = ()
    """DSA operations of the data set; `settings.augmentation` takes their place."""
    gradients_for: GradientsFor = always_eager
    """From the number of images that will be trained on to how the gradients of minibatches are computed."""
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    """Where the state of the job is saved and resumed from; by default nothing is saved."""

    def member(self, curriculum: Sequence[Stage], seed: Seed, lot: Hashable = None) -> Member:
        """A new network that learns from a curriculum; `lot` as a `Member` has it.

        Its parameters are drawn from ``seed / "initial"``; minibatches and augmentation of stage k, counted from 0,
        from ``seed / k``.
        """
        return Member(partial(self.new_network, seed / "initial"), make_phases(curriculum, self.settings, seed), lot)

    def train(self, members: Sequence[Member], record: Record, name: str) -> list[Trained]:
        """Train each member, as `train_ensemble` does; `name` is shown with the progress."""
        return train_ensemble(members, record, self.augmentation, self.gradients_for, self.checkpoint, name)

    def part(self, name: str) -> "Learner":
        """The same for a part of the job, whose state is saved in a file of its own."""
        return replace(self, checkpoint=self.checkpoint.part(name))
