"""The outer loop of distillation: match, update the images, keep snapshots."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.optimizers import OPTIMIZERS
from seqmatch.distillation.step import Step
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.matching.match import Match, pull_back
from seqmatch.runtime.progress import Progress
from seqmatch.synthetic.formation import decode
from seqmatch.synthetic.snapshots import Snapshots, snapshot_iterations
from seqmatch.synthetic.subset import Subset

LARGEST_STEP_SIZE_CUT = 0.5
"""An update may at most halve the step size, so that it never reaches zero."""


def distill(
    initial: Subset,
    prefix: Sequence[Subset],
    step: Step | None,
    settings: config.Matching,
    checkpoint: Checkpoint,
    device: torch.device,
    clamp: Callable[[Tensor], Tensor] | None = None,
) -> Snapshots:
    """Optimise one subset and its step size, S_1 … S_{k−1} frozen (Du et al. 2023, Algorithm 1).

    Args:
        initial: S_k to start from.
        prefix: S_1 … S_{k−1}, empty for k = 1.
        step: what is matched, by the union of `prefix` and the subset; None only if `settings.iterations` is 0.
        checkpoint: where the state is kept; a state found there is taken up.
        clamp: brings the images back where real ones lie, whenever the network of gradient matching is another one.

    Raises:
        SeqmatchError: the loss or the images are no longer finite.
    """
    restart = settings.updates_per_network if settings.objective in ("gradient", "condensation") else 1
    frozen = [subset.decoded()[0].to(device) for subset in prefix]
    state = _State.resume(initial, settings, checkpoint, device)
    with checkpoint, Progress(total=settings.iterations, initial=state.done, unit="it", desc="distill") as bar:
        while state.done < settings.iterations:
            if clamp is not None and state.done % restart == 0:
                state.images.copy_(clamp(state.images))
            stored = state.images.detach().requires_grad_()
            images = decode(stored, initial.formation)
            match = step(torch.cat([*frozen, images.detach()]), float(state.step_size), state.done)
            image_gradient = pull_back(images, match.image_gradient[-len(images) :], stored)
            state.update(replace(match, image_gradient=image_gradient))
            if not state.images.isfinite().all():
                raise SeqmatchError(
                    f"the images are not finite after the update of iteration {state.done - 1}, at matching loss "
                    f"{match.loss:.6g} and step size {float(state.step_size):.6g}; lower lr_images"
                )
            bar.set_postfix(loss=f"{match.loss:.4f}", step_size=f"{float(state.step_size):.5g}", refresh=False)
            bar.update()
            if state.done % restart == 0:
                checkpoint.reached(state.copy)
    return state.snapshots()


class _State:
    """What changes along the way: images and their moving average, step size, optimiser, and the record of it all.

    Snapshots keep the average (Du et al. 2022, FTD); without decay it is the images themselves.
    """

    def __init__(self, initial: Subset, settings: config.Matching, device: torch.device):
        self.settings = settings
        self.initial = initial
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
        """One step of the optimiser on S_k and its step size; the gradient is that of the stored images alone."""
        previous = float(self.step_size)
        self.course.append((match.loss, previous))
        step_size_gradient = torch.tensor(match.step_size_gradient, dtype=torch.float64)
        self._step(self.images, match.image_gradient, self.optimizer["images"], self.settings.lr_images, self.settings)
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
            labels=self.initial.labels,
            formation=torch.tensor(self.initial.formation),
            matching_losses=losses.clone(),
            step_size_course=step_size_course.clone(),
            soft_labels=self.initial.soft_labels,
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
