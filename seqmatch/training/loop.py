"""The one loop that trains networks: experts, teachers, evaluation and loss records differ in what they record."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from seqmatch import config
from seqmatch.networks import head
from seqmatch.runtime.precision import arithmetic
from seqmatch.seeds import Seed
from seqmatch.training.gradients import Gradient, Gradients, eager_gradients
from seqmatch.transforms import cutmix, dsa

NewNetwork = Callable[[Seed], nn.Module]
"""A seed to a freshly initialised network on the right device."""

Labelled = tuple[Tensor, Tensor]
"""Normalised images (N, C, H, W) and labels (N,)."""


@dataclass(frozen=True)
class Stage:
    """Labelled images to train on, and how fast. Real data is a stage too."""

    images: Tensor
    """Normalised, float32, (N, C, H, W)."""
    labels: Tensor
    """int64 (N,), or shares of classes (N, classes), float32."""
    step_size: float
    """Learning rate at the start of the stage, > 0."""

    def to(self, device: torch.device) -> "Stage":
        return Stage(self.images.to(device), self.labels.to(device), self.step_size)


@dataclass(frozen=True)
class Phase:
    """A stage, and how networks train on it."""

    stage: Stage
    epochs: int
    settings: config.Training
    seed: Seed
    """Epoch e draws order and augmentation from ``seed / e``."""
    descent: Callable[[Gradient], Gradient] = lambda gradient: gradient
    """From the gradient of the loss to the direction that is descended."""
    images: int | None = None
    """Images per epoch, other ones in each; by default all."""
    continues: bool = False
    """Whether momentum goes on from the phase before it."""


@dataclass(frozen=True)
class Position:
    """How far training has come."""

    phase: int = 0
    """Index of the phase, from 0."""
    epoch: int = 0
    """Its epochs that are done."""
    velocities: tuple[Tensor, ...] = ()
    """SGD's momentum, one tensor per parameter; live tensors, not copies."""
    last: bool = False
    """Whether training ends here."""


def images_seen(phases: Sequence[Phase]) -> int:
    """Images that a network trains on, counted anew each epoch."""
    return sum(phase.epochs * (phase.images or len(phase.stage.labels)) for phase in phases)


def make_phases(curriculum: Sequence[Stage], settings: config.Evaluation, seed: Seed, first: int = 0) -> list[Phase]:
    """`settings.epochs` on each stage of a curriculum; stage k, from `first`, draws from ``seed / k``."""
    return [
        Phase(stage, settings.epochs, settings, seed / k, continues=not settings.momentum_restarts)
        for k, stage in enumerate(curriculum, start=first)
    ]


def train(
    network: nn.Module,
    phases: Sequence[Phase],
    augmentation: Sequence[str],
    gradients: Gradients = eager_gradients,
    position: Position | None = None,
) -> Iterator[Position]:
    """Train `network` in place by SGD on cross-entropy, phase after phase; every batch gets its own DSA draw.

    Yields the position before the first epoch of each phase and after each epoch: there the caller records, or saves.
    Given a position, with the network's tensors of that moment, the rest of the training is the same to the bit.

    Whether training diverged is for the caller to check (`inference.is_finite`): an expert must not diverge; a snapshot
    on which networks diverge is a bad snapshot.

    Args:
        augmentation: DSA operations of the data, which a phase's settings may replace.
        gradients: how the gradients of minibatches are computed.
        position: where to resume.
    """
    resumed = position or Position(epoch=-1)
    velocities = resumed.velocities
    for index in range(resumed.phase, len(phases)):
        phase = phases[index]
        done = resumed.epoch if index == resumed.phase else -1
        if done < 0:
            if not (phase.continues and velocities):
                velocities = tuple(map(torch.zeros_like, network.parameters()))
            yield Position(index, 0, velocities)
        for epoch in range(max(done, 0), phase.epochs):
            _train_epoch(network, phase, epoch, list(velocities), augmentation, gradients)
            yield Position(index, epoch + 1, velocities, (index + 1, epoch + 1) == (len(phases), phase.epochs))


def train_through(
    network: nn.Module, phases: Sequence[Phase], augmentation: Sequence[str], gradients: Gradients = eager_gradients
) -> None:
    """All of `train` at once."""
    for _ in train(network, phases, augmentation, gradients):
        pass


def _train_epoch(
    network: nn.Module,
    phase: Phase,
    epoch: int,
    velocities: list[Tensor],
    augmentation: Sequence[str],
    gradients: Gradients,
) -> None:
    stage, settings = phase.stage, phase.settings
    parameters = list(network.parameters())
    operations = augmentation if settings.augmentation is None else settings.augmentation
    count = min(phase.images or len(stage.labels), len(stage.labels))
    descent = phase.descent(gradients(min(settings.batch_size, count)))
    network.train()
    generator = (phase.seed / epoch).generator()
    order = torch.randperm(len(stage.labels), generator=generator)[:count].to(stage.labels.device, non_blocking=True)
    rate = learning_rate(stage.step_size, settings, epoch, phase.epochs)
    if settings.decay_restarts and rate != learning_rate(stage.step_size, settings, max(epoch - 1, 0), phase.epochs):
        for velocity in velocities:
            velocity.zero_()
    for batch in batches(order, settings.batch_size):
        draws = dsa.FORMS[settings.augmentation_form](operations, len(batch), generator)
        images, labels = dsa.apply_composed(draws, stage.images[batch]), stage.labels[batch]
        if settings.cutmix:
            cut = cutmix.draw(settings.cutmix, len(batch), generator)
            images, labels = cutmix.apply(cut, images, labels, head(network).out_features)
        with arithmetic(settings.precision, images.device):
            direction = descent(network, images, labels)
        sgd_step(parameters, list(direction), velocities, rate, settings.momentum, settings.weight_decay)


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Minibatches of `size` indices; a last one of a single index joins that before it: batch norm needs two images."""
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def learning_rate(initial: float, settings: config.Training, epoch: int, epochs: int) -> float:
    """Learning rate in `epoch`, from 0, of `epochs`: decayed once for each fraction (`decay_at`) that has passed."""
    passed = sum(epoch >= at * epochs - 1e-9 for at in settings.decay_at)  # 0.57 · 100 is 56.99…
    return initial * settings.decay_factor**passed


@torch.no_grad()
def sgd_step(
    parameters: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    rate: float,
    momentum: float,
    weight_decay: float = 0.0,
) -> None:
    """PyTorch's own SGD in its functional form: an optimiser object would import the compiler, 5 s per process."""
    sgd(
        parameters,
        gradients,
        velocities,
        foreach=True,
        lr=rate,
        momentum=momentum,
        weight_decay=weight_decay,
        dampening=0,
        nesterov=False,
        maximize=False,
    )
