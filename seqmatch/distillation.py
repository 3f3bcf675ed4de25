"""The outer loop of distillation: pick an expert, match a piece of its trajectory, update the images; snapshots out."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqmatch import augment, config
from seqmatch.checkpoint import Checkpoint
from seqmatch.errors import SeqmatchError
from seqmatch.experts import Trajectories
from seqmatch.matching.trajectory import Match, MatchTrajectory, Minibatch, View, unflatten
from seqmatch.optimizers import OPTIMIZERS
from seqmatch.progress import Progress
from seqmatch.seeds import Seed
from seqmatch.sequence import Subset
from seqmatch.snapshots import Snapshots, snapshot_iterations

LARGEST_STEP_SIZE_CUT = 0.5
"""An update may at most halve the step size, so that it never reaches zero."""


@dataclass(frozen=True)
class Pick:
    """A piece of a trajectory to match, and the student's minibatches."""

    expert: int
    start_epoch: int
    batches: list[Minibatch]


def distill(
    initial: Subset,
    prefix: Sequence[Subset],
    trajectories: Trajectories | None,
    network: nn.Module,
    match_trajectory: MatchTrajectory,
    settings: config.Matching,
    augmentation: Sequence[str],
    seed: Seed,
    checkpoint: Checkpoint,
    device: torch.device,
) -> Snapshots:
    """Optimise one subset and its step size, S_1 … S_{k−1} frozen (Du et al. 2023, Algorithm 1).

    Student minibatches come from the union of `prefix` and the subset. Iteration i draws from ``seed / i``,
    so that a resumed run is the same run.

    Args:
        initial: S_k to start from.
        prefix: S_1 … S_{k−1}, empty for k = 1.
        trajectories: the experts of this stage; None only if `settings.iterations` is 0.
        network: architecture of the experts; only its shapes matter.
        match_trajectory: how to match with its loss.
        checkpoint: where the state is kept; a state found there is taken up.

    Raises:
        SeqmatchError: the experts are too short, or the loss is no longer finite.
    """
    if settings.iterations and trajectories is not None:
        _check_length(trajectories, settings)
    frozen = [subset.images.to(device) for subset in prefix]
    labels = torch.cat([subset.labels for subset in (*prefix, initial)]).to(device)
    batch_size = student_batch(initial, settings)
    state = _State.resume(initial, settings, checkpoint, device)
    experts = len(trajectories) if trajectories is not None else 0

    with checkpoint, Progress(total=settings.iterations, initial=state.done, unit="it", desc="distill") as bar:
        while state.done < settings.iterations:
            images = torch.cat([*frozen, state.images])
            matches = []
            for pick in picks(seed / state.done, experts, settings, labels, batch_size, augmentation):
                start, target = (
                    unflatten(trajectories.parameters(pick.expert, epoch).to(device), network)
                    for epoch in (pick.start_epoch, pick.start_epoch + settings.expert_epochs)
                )
                match = match_trajectory(start, target, images, pick.batches, float(state.step_size))
                if not _finite(match):
                    raise SeqmatchError(
                        f"matching loss {match.loss} or its gradient is not finite at iteration {state.done}, expert "
                        f"{pick.expert}, start epoch {pick.start_epoch}, step size {float(state.step_size):.6g}; "
                        "lower lr_images, lr_step_size or initial_step_size"
                    )
                matches.append(match)
            match = _mean(matches)
            state.update(match)
            if not state.images.isfinite().all():
                raise SeqmatchError(
                    f"the images are not finite after the update of iteration {state.done - 1}, at matching loss "
                    f"{match.loss:.6g} and step size {float(state.step_size):.6g}; lower lr_images"
                )
            bar.set_postfix(loss=f"{match.loss:.4f}", step_size=f"{float(state.step_size):.5g}", refresh=False)
            bar.update()
            checkpoint.reached(state.copy)
    return state.snapshots()


def student_batch(initial: Subset, settings: config.Matching) -> int:
    """Images a student step."""
    return settings.synthetic_batch or len(initial.labels)


def minibatches(total: int, batch_size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """`steps` index tensors that pass over 0 … total − 1 again and again, in a new order each time."""
    batches: list[Tensor] = []
    while len(batches) < steps:
        batches += torch.randperm(total, generator=generator).split(batch_size)
    return batches[:steps]


class _State:
    """What changes along the way: images and their moving average, step size, optimiser, and the record of it all.

    Snapshots keep the average (Du et al. 2022, FTD); without decay it is the images themselves.
    """

    def __init__(self, initial: Subset, settings: config.Matching, device: torch.device):
        self.settings = settings
        self.labels = initial.labels
        self.images = initial.images.to(device, copy=True)
        self.average = self.images.clone()
        self.step_size = torch.tensor(initial.step_size, dtype=torch.float64)
        step, start = OPTIMIZERS[settings.optimizer]
        self._step = step
        self.optimizer = {"images": start(self.images), "step_size": start(self.step_size)}
        self.kept: list[tuple[int, Tensor, float]] = []
        self.course: list[tuple[float, float]] = []
        self._keep()

    @property
    def done(self) -> int:
        """Updates done."""
        return len(self.course)

    @classmethod
    def resume(
        cls, initial: Subset, settings: config.Matching, checkpoint: Checkpoint, device: torch.device
    ) -> "_State":
        state = cls(initial, settings, device)
        saved = checkpoint.load()
        if saved is not None:
            state._restore(saved)
        return state

    def update(self, match: Match) -> None:
        """One step of the optimiser on S_k and its step size, the frozen images' gradient left out."""
        previous = float(self.step_size)
        self.course.append((match.loss, previous))
        image_gradient = match.image_gradient[-len(self.labels) :]
        step_size_gradient = torch.tensor(match.step_size_gradient, dtype=torch.float64)
        self._step(self.images, image_gradient, self.optimizer["images"], self.settings.lr_images, self.settings)
        self._step(
            self.step_size,
            step_size_gradient,
            self.optimizer["step_size"],
            self.settings.lr_step_size,
            self.settings,
        )
        self.step_size.clamp_(min=LARGEST_STEP_SIZE_CUT * previous)
        self.average.lerp_(self.images, 1 - self.settings.ema)
        self._keep()

    def copy(self) -> "_State":
        """This moment, safe from further updates."""
        twin = copy.copy(self)
        twin.images, twin.average, twin.step_size = self.images.clone(), self.average.clone(), self.step_size.clone()
        twin.optimizer = {
            parameter: {name: tensor.clone() for name, tensor in tensors.items()}
            for parameter, tensors in self.optimizer.items()
        }
        twin.kept, twin.course = list(self.kept), list(self.course)
        return twin

    def snapshots(self) -> Snapshots:
        iterations, images, step_sizes = zip(*self.kept, strict=True)
        losses, step_size_course = torch.tensor(self.course, dtype=torch.float64).view(-1, 2).unbind(1)
        return Snapshots(
            iterations=torch.tensor(iterations),
            images=torch.stack(images),
            step_sizes=torch.tensor(step_sizes, dtype=torch.float64),
            labels=self.labels,
            matching_losses=losses.clone(),
            step_size_course=step_size_course.clone(),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The whole state by name."""
        return self.snapshots().tensors() | self._live()

    def _live(self) -> dict[str, Tensor]:
        """The tensors that updates change in place, by name."""
        optimizer = {
            f"live.{parameter}.{name}": tensor
            for parameter, tensors in self.optimizer.items()
            for name, tensor in tensors.items()
        }
        live = {"live.images": self.images, "live.average": self.average, "live.step_size": self.step_size}
        return live | optimizer

    def _restore(self, saved: dict[str, Tensor]) -> None:
        for name, tensor in self._live().items():
            tensor.copy_(saved.pop(name))
        kept = Snapshots(**saved)
        self.kept = list(zip(kept.iterations.tolist(), kept.images, kept.step_sizes.tolist(), strict=True))
        self.course = torch.stack([kept.matching_losses, kept.step_size_course], 1).tolist()

    def _keep(self) -> None:
        if self.done in snapshot_iterations(self.settings):
            self.kept.append((self.done, self.average.detach().cpu().clone(), float(self.step_size)))


def picks(
    seed: Seed,
    experts: int,
    settings: config.Matching,
    labels: Tensor,
    batch_size: int,
    augmentation: Sequence[str],
) -> Iterator[Pick]:
    """What one iteration matches: `settings.experts_per_step` picks, all from one generator."""
    generator = seed.generator()
    for _ in range(settings.experts_per_step):
        yield _pick(generator, experts, settings, labels, batch_size, augmentation)


def _pick(
    generator: torch.Generator,
    experts: int,
    settings: config.Matching,
    labels: Tensor,
    batch_size: int,
    augmentation: Sequence[str],
) -> Pick:
    expert = int(torch.randint(experts, (), generator=generator))
    start_epoch = int(torch.randint(settings.max_start_epoch, (), generator=generator))
    batches = []
    for index in minibatches(len(labels), batch_size, settings.synthetic_steps, generator):
        drawn = augment.draw(augmentation, len(index), generator)
        index = index.to(labels.device)
        batches.append((_view(index, drawn), labels[index]))
    return Pick(expert, start_epoch, batches)


def _view(index: Tensor, drawn: augment.Draw | None) -> View:
    return lambda images: augment.apply(drawn, images[index])


def _mean(matches: Sequence[Match]) -> Match:
    """Losses and gradients averaged."""
    count = len(matches)
    return Match(
        sum(match.loss for match in matches) / count,
        torch.stack([match.image_gradient for match in matches]).sum(0) / count,
        sum(match.step_size_gradient for match in matches) / count,
    )


def _finite(match: Match) -> bool:
    return (
        math.isfinite(match.loss)
        and math.isfinite(match.step_size_gradient)
        and bool(match.image_gradient.isfinite().all())
    )


def _check_length(trajectories: Trajectories, settings: config.Matching) -> None:
    needed = config.epochs_needed(settings)
    if trajectories.epochs < needed:
        raise SeqmatchError(
            f"experts recorded {trajectories.epochs} epochs, but max_start_epoch {settings.max_start_epoch} with "
            f"expert_epochs {settings.expert_epochs} reaches epoch {needed}; record more, or lower either"
        )
