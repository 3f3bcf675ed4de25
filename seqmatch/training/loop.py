"""The one loop that trains networks: experts, teachers, evaluation and loss records differ in what they record."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters
from torch.optim.sgd import sgd

from seqmatch import config
from seqmatch.networks import join
from seqmatch.runtime.precision import arithmetic
from seqmatch.seeds import Seed
from seqmatch.training.gradients import EAGER, Gradient, Gradients, trained
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


def plain_descent(gradient: Gradient) -> Gradient:
    """Along the gradient itself."""
    return gradient


@dataclass(frozen=True)
class Phase:
    """A stage, and how networks train on it."""

    stage: Stage
    epochs: int
    settings: config.Training
    seed: Seed
    """Epoch e draws order and augmentation from ``seed / e``."""
    descent: Callable[[Gradient], Gradient] = plain_descent
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
    """SGD's momentum, one tensor per parameter, of networks trained as one too; live tensors, not copies."""
    last: bool = False
    """Whether training ends here."""


def images_seen(phases: Sequence[Phase]) -> int:
    """Images that a network trains on, counted anew each epoch."""
    return sum(phase.epochs * _images(phase) for phase in phases)


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
    gradients: Gradients = EAGER,
) -> Iterator[Position]:
    """Train `network` in place by SGD on cross-entropy, phase after phase; every batch gets its own DSA draw.

    Yields the position before the first epoch of each phase and after each epoch: there the caller records, or saves.

    Whether training diverged is for the caller to check (`inference.is_finite`): an expert must not diverge; a snapshot
    on which networks diverge is a bad snapshot.

    Args:
        augmentation: DSA operations of the data, which a phase's settings may replace.
        gradients: how the gradients of minibatches are computed.
    """
    return train_joined([network], [phases], augmentation, gradients)


def train_joined(
    networks: Sequence[nn.Module],
    phases: Sequence[Sequence[Phase]],
    augmentation: Sequence[str],
    gradients: Gradients = EAGER,
    position: Position | None = None,
) -> Iterator[Position]:
    """As `train`, several networks as one: each as it is trained alone, up to rounding.

    Args:
        networks: as `join` takes them.
        phases: those of each network; they may differ in what `alike` leaves out.
        position: where to resume. With the networks' tensors of that moment the rest is the same to the bit.
    """
    whole, resumed = join(networks), position or Position(epoch=-1)
    velocities = resumed.velocities
    count = len(phases[0])
    for index in range(resumed.phase, count):
        each = [program[index] for program in phases]
        done = resumed.epoch if index == resumed.phase else -1
        if done < 0:
            if not (each[0].continues and velocities):
                velocities = tuple(map(torch.zeros_like, trained(whole)))
            yield Position(index, 0, velocities)
        for epoch in range(max(done, 0), each[0].epochs):
            _train_epoch(whole, networks, each, epoch, velocities, augmentation, gradients)
            yield Position(index, epoch + 1, velocities, (index + 1, epoch + 1) == (count, each[0].epochs))


def alike(left: Sequence[Phase], right: Sequence[Phase]) -> bool:
    """Whether networks with these phases can be trained as one.

    The contents of stages, step sizes and seeds may differ, nothing else; and both descend along the gradient.
    """
    return len(left) == len(right) and all(map(_alike, left, right))


def _alike(left: Phase, right: Phase) -> bool:
    return all(phase.descent is plain_descent for phase in (left, right)) and _form(left) == _form(right)


def _form(phase: Phase) -> tuple:
    """What networks that are trained as one have in common."""
    images, labels = phase.stage.images, phase.stage.labels
    return phase.epochs, phase.settings, phase.images, phase.continues, images.shape, labels.shape, labels.dtype


def train_through(
    network: nn.Module, phases: Sequence[Phase], augmentation: Sequence[str], gradients: Gradients = EAGER
) -> None:
    """All of `train` at once."""
    for _ in train(network, phases, augmentation, gradients):
        pass


def with_parameters(network: nn.Module, parameters: Tensor) -> nn.Module:
    """`network` with these parameters (P,), which it keeps on its device."""
    device = next(network.parameters()).device
    vector_to_parameters(parameters.to(device).clone(), network.parameters())
    return network


def minibatch(phase: Phase) -> int:
    """Images of a full minibatch."""
    return min(phase.settings.batch_size, _images(phase))


def _images(phase: Phase) -> int:
    """Per epoch."""
    return min(phase.images or len(phase.stage.labels), len(phase.stage.labels))


def _train_epoch(
    whole: nn.Module,
    networks: Sequence[nn.Module],
    phases: Sequence[Phase],
    epoch: int,
    velocities: Sequence[Tensor],
    augmentation: Sequence[str],
    gradients: Gradients,
) -> None:
    """An epoch of `networks`, joined in `whole`, each on its own phase."""
    settings, epochs = phases[0].settings, phases[0].epochs
    direction_of = phases[0].descent(gradients.of(minibatch(phases[0])))
    rates = [learning_rate(phase.stage.step_size, settings, epoch, epochs) for phase in phases]
    before = [learning_rate(phase.stage.step_size, settings, max(epoch - 1, 0), epochs) for phase in phases]
    if settings.decay_restarts and rates != before:
        for velocity in velocities:
            velocity.zero_()
    rates = rates[:1] if len(set(rates)) == 1 else rates  # one update of all
    parameters = _parts([parameter.detach() for parameter in trained(whole)], len(rates))
    momenta = _parts(velocities, len(rates))
    classes = _classes(networks[0], phases[0].stage.images) if settings.cutmix else 0
    whole.train()
    for drawn in zip(*(_minibatches(phase, epoch, augmentation, classes) for phase in phases), strict=True):
        images, labels = _beside(drawn)
        with arithmetic(settings.precision, images.device):
            direction = direction_of(whole, images, labels)
        for own, part, momentum, rate in zip(parameters, _parts(direction, len(rates)), momenta, rates, strict=True):
            sgd_step(own, part, momentum, rate, settings.momentum, settings.weight_decay)


@torch.no_grad()
def _classes(network: nn.Module, images: Tensor) -> int:
    """How many `network` tells apart: the labels of a small set may lack some."""
    return network.eval()(images[:1].clone()).shape[1]  # one may write into its input


def _minibatches(phase: Phase, epoch: int, augmentation: Sequence[str], classes: int) -> Iterator[Labelled]:
    """Those of an epoch, augmented; all that is random of it is drawn here."""
    stage, settings = phase.stage, phase.settings
    operations = augmentation if settings.augmentation is None else settings.augmentation
    generator = (phase.seed / epoch).generator()
    order = torch.randperm(len(stage.labels), generator=generator)[: _images(phase)]
    for batch in batches(order.to(stage.labels.device, non_blocking=True), settings.batch_size):
        draws = dsa.FORMS[settings.augmentation_form](operations, len(batch), generator)
        images, labels = dsa.apply(draws, stage.images[batch]), stage.labels[batch]
        if settings.cutmix:
            cut = cutmix.draw(settings.cutmix, len(batch), generator)
            images, labels = cutmix.apply(cut, images, labels, classes)
        yield images, labels


def _beside(minibatches: Sequence[Labelled]) -> Labelled:
    """The minibatch of joined networks; of one network its own."""
    if len(minibatches) == 1:
        return minibatches[0]
    images, labels = zip(*minibatches, strict=True)
    return torch.cat(images, 1), torch.stack(labels, 1)


def _parts(tensors: Sequence[Tensor], count: int) -> list[list[Tensor]]:
    """For each of `count` joined networks its part of each tensor."""
    if count == 1:
        return [list(tensors)]
    return [list(parts) for parts in zip(*(tensor.chunk(count) for tensor in tensors), strict=True)]


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
