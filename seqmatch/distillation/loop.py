"""The outer loop of distillation: match, update the images, keep snapshots."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seqmatch import config
from seqmatch.distillation.learned_labels import LabelState
from seqmatch.distillation.optimizers import OPTIMIZERS
from seqmatch.distillation.step import Step
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.kinds import DECODER, distillation_state
from seqmatch.files.schema import Kind
from seqmatch.matching.match import Match, is_finite, pull_back
from seqmatch.runtime.progress import Progress
from seqmatch.synthetic.snapshots import Snapshots, snapshot_iterations
from seqmatch.synthetic.subset import Subset, decoder_of

LARGEST_STEP_SIZE_CUT = 0.5
"""An update may at most halve the step size, so that it never reaches zero."""


@dataclass(frozen=True)
class Restarts:
    """Moments from which distillation can go on, because what is matched has no state there."""

    every: int = 1
    """Iterations between two of them."""
    clamp: Callable[[Tensor], Tensor] | None = None
    """Brings the stored images back to where real ones lie, at each of them."""


def distill(
    end: int,
    state: "State",
    prefix: Sequence[Subset],
    step: Step,
    checkpoint: Checkpoint,
    restarts: Restarts = Restarts(),
) -> None:
    """Optimise one subset and its step size, S_1 … S_{k−1} frozen (Du et al. 2023, Algorithm 1).

    Args:
        end: iterations that are done then, those that `state` has behind it among them.
        state: of S_k, which this moves.
        prefix: S_1 … S_{k−1}, empty for k = 1.
        step: what is matched, by the union of `prefix` and the subset.
        checkpoint: where the state is kept; a state found there is resumed.

    Raises:
        SeqmatchError: the loss or the images are no longer finite.
    """
    initial, device = state.initial, state.device
    decoded = [subset.to(device).decoded() for subset in prefix]
    frozen, frozen_labels = ([each[part] for each in decoded] for part in (0, 1))
    saved = checkpoint.load(state.kind)
    if saved is not None:
        state.restore(saved)
    with checkpoint, Progress(total=end, initial=state.done, unit="it", desc="distill") as bar:
        while state.done < end:
            if restarts.clamp is not None and state.done % restarts.every == 0:
                state.stored["images"].copy_(restarts.clamp(state.stored["images"]))
            stored = {name: tensor.detach().requires_grad_() for name, tensor in state.stored.items()}
            images = initial.parameterisation.decode(stored["images"], decoder_of(stored))
            learned = [] if state.labels is None else [torch.cat([*frozen_labels, state.labels.shares])]
            match = step(torch.cat([*frozen, images.detach()]), state.step_size.tolist(), state.done, *learned)
            if not is_finite(match):
                raise SeqmatchError(
                    f"matching loss {match.loss} or its gradient is not finite at iteration {state.done}, step size "
                    f"{state.mean_step_size:.6g}; lower lr_images, lr_step_size or initial_step_size"
                )
            gradients = pull_back(images, match.image_gradient[-len(images) :], *stored.values())
            state.update(match, dict(zip(stored, gradients, strict=True)))
            if not all(tensor.isfinite().all() for tensor in state.stored.values()):
                raise SeqmatchError(
                    f"the images are not finite after the update of iteration {state.done - 1}, at matching loss "
                    f"{match.loss:.6g} and step size {state.mean_step_size:.6g}; lower lr_images"
                )
            bar.set_postfix(loss=f"{match.loss:.4f}", step_size=f"{state.mean_step_size:.5g}", refresh=False)
            bar.update()
            if state.done % restarts.every == 0:
                checkpoint.reached(state.copy)


def is_skipped(loss: float, matching: config.Matching) -> bool:
    """Whether an iteration with this matching loss updates nothing, where the settings bound it."""
    largest = getattr(matching, "skip_above", None)
    return largest is not None and loss > largest


def undistilled(initial: Subset) -> Snapshots:
    """The initial images alone."""
    return Snapshots(
        iterations=torch.zeros(1, dtype=torch.int64),
        images=initial.images[None],
        step_sizes=torch.tensor([initial.step_size], dtype=torch.float64),
        labels=initial.labels,
        matching_losses=torch.empty(0, dtype=torch.float64),
        step_size_course=torch.empty(0, dtype=torch.float64),
        parameterisation=initial.parameterisation,
        decoder={name: tensor[None] for name, tensor in initial.decoder.items()},
        soft_labels=initial.soft_labels,
    )


class State:
    """What changes along the way: what is stored and its moving average, step size, optimiser, and the record of it
    all.

    Snapshots keep the average (Du et al. 2022, FTD); without decay it is the images themselves.
    """

    def __init__(self, initial: Subset, matching: config.Matching, device: torch.device):
        self.matching = matching
        self.initial = initial
        self.device = device
        stored = {"images": initial.images, **{DECODER + name: tensor for name, tensor in initial.decoder.items()}}
        self.stored = {name: tensor.to(device, copy=True) for name, tensor in stored.items()}
        self.average = {name: tensor.clone() for name, tensor in self.stored.items()}
        steps = (matching.synthetic_steps,) if getattr(matching, "step_sizes", "one") == "each" else ()
        self.step_size = torch.full(steps, initial.step_size, dtype=torch.float64)
        step, start = OPTIMIZERS[matching.optimizer]
        self._step = step
        self.optimizer = {name: start(tensor) for name, tensor in (*self.stored.items(), ("step_size", self.step_size))}
        self.labels = LabelState.of(initial, matching, device)
        self.kept: list[tuple[int, dict[str, Tensor], Tensor]] = []
        self.course: list[tuple[float, float]] = []
        self._keep()

    @property
    def done(self) -> int:
        """Updates done."""
        return len(self.course)

    @property
    def mean_step_size(self) -> float:
        """The step size, or the mean of those of all steps."""
        return float(self.step_size.mean())

    def kind(self) -> Kind:
        """What a file of a state of this distillation holds."""
        return distillation_state(self._live(), self.stored, self.initial.parameterisation.sizes())

    def update(self, match: Match, gradients: dict[str, Tensor]) -> None:
        """One step of the optimiser on S_k, on its step size and its labels where these are learned; or none.

        Args:
            gradients: of what is stored, by name.
        """
        self.course.append((match.loss, self.mean_step_size))
        if not is_skipped(match.loss, self.matching):
            self._move(match, gradients)
        self._keep()

    def _move(self, match: Match, gradients: dict[str, Tensor]) -> None:
        previous = self.step_size.clone()
        for name, gradient in clipped(gradients, self.matching.clip).items():
            rate = self.matching.lr_images if name == "images" else self.matching.lr_decoder or self.matching.lr_images
            self._step(self.stored[name], gradient, self.optimizer[name], rate, self.matching)
        if hasattr(self.matching, "lr_step_size"):
            by_step_size = torch.tensor(match.step_size_gradient, dtype=torch.float64)
            self._step(
                self.step_size, by_step_size, self.optimizer["step_size"], self.matching.lr_step_size, self.matching
            )
        self.step_size.clamp_(min=LARGEST_STEP_SIZE_CUT * previous)
        for name, tensor in self.stored.items():
            self.average[name].lerp_(tensor, 1 - self.matching.ema)
        if self.labels is not None:
            self.labels.update(match.label_gradient, self.matching)

    def copy(self) -> "State":
        """This moment, safe from further updates."""
        twin = copy.copy(self)
        twin.stored, twin.average, twin.step_size = _cloned(self.stored), _cloned(self.average), self.step_size.clone()
        twin.optimizer = {parameter: _cloned(tensors) for parameter, tensors in self.optimizer.items()}
        twin.kept, twin.course = list(self.kept), list(self.course)
        twin.labels = self.labels and self.labels.copy()
        return twin

    def subset(self) -> Subset:
        """The subset as it is now."""
        average = {name: tensor.cpu().clone() for name, tensor in self.average.items()}
        return replace(
            self.initial,
            images=average["images"],
            step_size=self.mean_step_size,
            soft_labels=self.initial.soft_labels if self.labels is None else self.labels.shares.cpu(),
            rates=self.step_size.clone() if self.step_size.dim() else None,
            decoder=decoder_of(average),
        )

    def snapshots(self) -> Snapshots:
        iterations, copies, step_sizes = zip(*self.kept, strict=True)
        stored = {name: torch.stack([one[name] for one in copies]) for name in self.stored}
        rates = torch.stack(step_sizes)
        losses, step_size_course = torch.tensor(self.course, dtype=torch.float64).view(-1, 2).unbind(1)
        return Snapshots(
            iterations=torch.tensor(iterations),
            images=stored["images"],
            step_sizes=rates if rates.dim() == 1 else rates.mean(1),
            labels=self.initial.labels,
            matching_losses=losses.clone(),
            step_size_course=step_size_course.clone(),
            parameterisation=self.initial.parameterisation,
            decoder=decoder_of(stored),
            soft_labels=self.initial.soft_labels,
            rates=None if rates.dim() == 1 else rates,
            learned_labels=None if self.labels is None else torch.stack(self.labels.kept),
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
        stored = {f"live.{name}": tensor for name, tensor in self.stored.items()}
        average = {f"live.average.{name}": tensor for name, tensor in self.average.items()}
        labels = {} if self.labels is None else self.labels.live()
        return stored | average | {"live.step_size": self.step_size} | optimizer | labels

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Go back, or on, to the state that has these tensors."""
        for name, tensor in self._live().items():
            tensor.copy_(saved[name])
        kept = Snapshots.from_tensors(saved, self.initial.parameterisation.name)
        step_sizes = kept.step_sizes if kept.rates is None else kept.rates
        stored = {"images": kept.images, **{DECODER + name: tensor for name, tensor in kept.decoder.items()}}
        copies = [{name: tensor[index] for name, tensor in stored.items()} for index in range(len(kept.iterations))]
        self.kept = list(zip(kept.iterations.tolist(), copies, step_sizes, strict=True))
        self.course = torch.stack([kept.matching_losses, kept.step_size_course], 1).tolist()
        if self.labels is not None:
            self.labels.kept = list(kept.learned_labels)

    def _keep(self) -> None:
        if self.done in snapshot_iterations(self.matching):
            kept = {name: tensor.detach().cpu().clone() for name, tensor in self.average.items()}
            self.kept.append((self.done, kept, self.step_size.clone()))
            if self.labels is not None:
                self.labels.keep()


def _cloned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def clipped(gradients: dict[str, Tensor], largest: float | None) -> dict[str, Tensor]:
    """Gradients whose norm, of all of them together, is at most `largest`."""
    if largest is None:
        return gradients
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    return {name: gradient * (largest / norm).clamp(max=1) for name, gradient in gradients.items()}
