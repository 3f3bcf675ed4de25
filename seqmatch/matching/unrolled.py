"""The gradient of a loss at the end of a student's steps, for the images that it learned from: exact in two ways.

A student starts at θ_0 and takes N steps of SGD on synthetic batches: with g_i = ∇_θ ℓ(θ_i, x_i),

    v_{i+1} = m v_i + g_i,      θ_{i+1} = θ_i − α_i v_{i+1},      v_0 = 0.

A terminal loss T says what θ_N is worth. Trajectory matching (Cazenavette et al. 2022, equation 2) takes its squared
distance from a target, ‖θ_N − θ*‖² / ‖θ_0 − θ*‖², and has no momentum m.

`one_graph` differentiates one graph through all steps: the fewest operations, and the activations of every step in
memory. `adjoint` sweeps forward keeping θ_i alone, then backward carrying λ = dT/dθ_{i+1} and κ = −dT/dg_i; each step
needs one graph, that of the directional derivative s_i = ⟨g_i, κ⟩, since

    κ ← m κ + α_i λ,      dT/dx_i = −∂s_i/∂x_i,      dT/dα_i = −⟨v_{i+1}, λ⟩,      λ ← λ − ∂s_i/∂θ_i.

Its memory is the graph of one chunk of one minibatch, and parameter vectors. Of as many steps as memory allows it keeps
what s_i needs again of the sweep forward, and then costs as many convolutions as one graph. Both give the same up to
rounding.

`first_order` is another gradient, for comparison: that of TESLA (Cui et al. 2023), which leaves out how θ_i depends on
the images of the steps before. λ stays what it is at the end, and the result is exact for one step alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from seqmatch.matching.derivatives import Derivatives, Student, Whole, even_weights, flat, shaped
from seqmatch.matching.match import Match, pull_back

View = Callable[[Tensor], Tensor]
"""All synthetic images to one augmented minibatch: pure and differentiable."""

Minibatch = tuple[View, Tensor]
"""How a student step takes its images, and their indices among all, int64 (B,), by which it takes their labels."""

Terminal = Callable[[Tensor, Sequence[torch.Size]], tuple[Tensor, Tensor]]
"""θ_N (P,), and the shapes of the parts by which sums over it are taken, to the loss, a scalar, and its gradient
(P,)."""


@dataclass(frozen=True)
class Descent:
    """How the student steps."""

    step_size: float | Sequence[float]
    """α > 0 of all steps, or one α_i for each."""
    momentum: float = 0.0
    """m, in [0, 1)."""

    def rates(self, steps: int) -> Sequence[float]:
        """The step size of each of so many steps."""
        return [self.step_size] * steps if isinstance(self.step_size, float) else self.step_size


Unroll = Callable[[Tensor, Terminal, Tensor, Tensor, Sequence[Minibatch], Descent], Match]
"""The match of a start θ_0 (P,) and a terminal loss by all synthetic images (n, C, H, W) and their labels, int64 (n,)
or shares of classes (n, classes), the student's N minibatches and its steps."""


def distance(start: Tensor, target: Tensor) -> Terminal:
    """The squared distance from a target θ* (P,), relative to that of the start."""

    def terminal(theta: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, Tensor]:
        scale = _squared_norm(start - target, shapes)
        return _squared_norm(theta - target, shapes) / scale, (2 / scale) * (theta - target)

    return terminal


def mean_loss(student: Student, images: Tensor, labels: Tensor, chunk: int) -> Terminal:
    """The student's mean loss on other images, such as real ones: what DD (Wang et al. 2018) asks of θ_N.

    Args:
        images: as the student sees them, (R, C, H, W).
        labels: int64 (R,), or shares of classes (R, classes).
        chunk: images at a time, from 1; memory is that of a chunk.
    """

    def terminal(theta: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, Tensor]:
        leaf, total = theta.detach().requires_grad_(), theta.new_zeros(())
        parts = zip(*(each.split(chunk) for each in (images, labels, even_weights(labels, theta))), strict=True)
        gradient = torch.zeros_like(theta)
        for part in parts:
            loss = student.loss(shaped(leaf, student.shapes), *part)
            gradient += torch.autograd.grad(loss, leaf)[0]
            total = total + loss.detach()
        return total, gradient

    return terminal


def one_graph(
    student: Student,
    start: Tensor,
    terminal: Terminal,
    images: Tensor,
    labels: Tensor,
    batches: Sequence[Minibatch],
    descent: Descent,
) -> Match:
    """The match, by one graph through all steps.

    Args:
        start, terminal, images, labels, batches, descent: as `Unroll` says.
    """
    pixels, shares = images.detach().requires_grad_(), _leaf(labels)
    alpha = torch.tensor(descent.step_size, dtype=start.dtype, device=start.device).requires_grad_()
    theta = start.detach().requires_grad_()
    velocity = None
    for (view, index), rate in zip(batches, alpha if alpha.dim() else [alpha] * len(batches), strict=True):
        parameters = shaped(theta, student.shapes)
        loss = student.loss(parameters, view(pixels), shares[index], even_weights(index, theta))
        velocity = _velocity(flat(torch.autograd.grad(loss, parameters, create_graph=True)), velocity, descent)
        theta = theta - rate * velocity
    value, cotangent = terminal(theta.detach(), [theta.shape])
    leaves = [pixels, alpha, *([shares] if shares.requires_grad else [])]
    image_gradient, by_alpha, *by_labels = torch.autograd.grad((theta * cotangent).sum(), leaves)
    return Match(value.item(), image_gradient, _numbers(by_alpha), *by_labels)


def adjoint(
    derivatives: Derivatives,
    stride: int,
    start: Tensor,
    terminal: Terminal,
    images: Tensor,
    labels: Tensor,
    batches: Sequence[Minibatch],
    descent: Descent,
    kept: int = 0,
) -> Match:
    """The match, by one graph per step.

    Args:
        derivatives: those of the student's loss ℓ.
        stride: keep every `stride`-th θ_i and compute those between once more, from 1; the result is the same to
            the bit.
        start, terminal, images, labels, batches, descent: as `Unroll` says.
        kept: steps, the last ones, of which all that is needed again is kept; the result is the same up to rounding.
    """
    steps = list(zip(batches, descent.rates(len(batches)), strict=True))
    late = steps[max(len(steps) - kept, 0) :]
    early = steps[: len(steps) - len(late)]
    sweep = partial(_sweep, derivatives, images, labels, descent)
    segments = [early[first : first + stride] for first in range(0, len(early), stride)]
    # One tensor: many among those of the graphs would leave holes.
    rows = start.new_empty(len(segments), 2 if descent.momentum else 1, len(start))
    state = _State(start, torch.zeros_like(start) if descent.momentum else None)
    for segment, row in zip(segments, rows, strict=True):
        state.put(row)
        *_, state = sweep(state, segment)
    slopes: list[tuple[Tensor, _Slope]] = []
    for (view, index), rate in late:
        gradient, slope = derivatives.kept(state.theta, view(images), labels[index])
        slopes.append((state.theta, slope))
        state = _moved(state, gradient, rate, descent)

    def backwards() -> Iterator[tuple[_Step, Tensor, _Slope | None]]:
        """Steps with their θ_i, the last first."""
        for step in reversed(late):
            yield step, *slopes.pop()
        for segment, row in zip(reversed(segments), reversed(rows.unbind()), strict=True):
            states = list(sweep(_State(*row), segment[:-1]))
            for step in reversed(segment):
                yield step, states.pop().theta, None

    after = state.theta
    loss, cotangent = terminal(after, derivatives.shapes)
    image_gradient = torch.zeros_like(images)
    label_gradient = torch.zeros_like(labels) if labels.is_floating_point() else None
    by_rates: list[Tensor] = []
    carried = None
    for ((view, index), rate), theta, slope in backwards():
        pixels = images.detach().requires_grad_()
        batch = view(pixels)
        # κ / α, so that without momentum what is added up is scaled, and nothing before.
        direction = cotangent if carried is None else cotangent.add(carried, alpha=descent.momentum / rate)
        slope = slope or partial(derivatives.slope, theta, batch.detach(), labels[index])
        along, by_theta, by_batch, by_labels = slope(direction)
        image_gradient.sub_(*pull_back(batch, by_batch, pixels), alpha=rate)
        if label_gradient is not None:
            label_gradient.index_add_(0, index, by_labels, alpha=-rate)
        # −⟨v_{i+1}, λ⟩; with momentum from the way that the student went, as the slope is along another direction.
        by_rates.append((after - theta) @ cotangent / rate if descent.momentum else -along)
        cotangent = cotangent.sub(by_theta, alpha=rate)
        if descent.momentum:
            carried = rate * direction
        after = theta
    by_step_size = sum(by_rates) if isinstance(descent.step_size, float) else torch.stack(by_rates[::-1])
    return Match(loss.item(), image_gradient, _numbers(by_step_size), label_gradient)


def first_order(
    derivatives: Derivatives,
    start: Tensor,
    terminal: Terminal,
    images: Tensor,
    labels: Tensor,
    batches: Sequence[Minibatch],
    descent: Descent,
) -> Match:
    """The match with the gradient as if no θ_i but the last depended on images or step sizes.

    The student goes its way twice, so that no θ_i is kept.

    Args:
        derivatives: those of the student's loss ℓ.
        start, terminal, images, labels, batches, descent: as `Unroll` says.
    """
    rates = descent.rates(len(batches))
    steps = list(zip(batches, rates, strict=True))
    way = partial(_sweep, derivatives, images, labels, descent, _State(start), steps)
    *_, end = way()
    loss, cotangent = terminal(end.theta, derivatives.shapes)
    image_gradient = torch.zeros_like(images)
    label_gradient = torch.zeros_like(labels) if labels.is_floating_point() else None
    by_rates = []
    moves = pairwise(state.theta for state in way())
    for ((view, index), rate), share, (theta, after) in zip(steps, _shares(rates, descent), moves, strict=True):
        pixels = images.detach().requires_grad_()
        batch = view(pixels)
        _, _, by_batch, by_labels = derivatives.slope(theta, batch.detach(), labels[index], cotangent)
        image_gradient.sub_(*pull_back(batch, by_batch, pixels), alpha=share)
        if label_gradient is not None:
            label_gradient.index_add_(0, index, by_labels, alpha=-share)
        by_rates.append((after - theta) @ cotangent / rate)
    by_step_size = sum(by_rates) if isinstance(descent.step_size, float) else torch.stack(by_rates)
    return Match(loss.item(), image_gradient, _numbers(by_step_size), label_gradient)


def _shares(rates: Sequence[float], descent: Descent) -> list[float]:
    """The factor of each g_i in θ_0 − θ_N: α_i + m α_{i+1} + m² α_{i+2} + …"""
    shares = [0.0]
    for rate in reversed(rates):
        shares.append(rate + descent.momentum * shares[-1])
    return shares[:0:-1]


_Step = tuple[Minibatch, float]
_Slope = Callable[[Tensor], Whole]


@dataclass(frozen=True)
class _State:
    """A student between two steps."""

    theta: Tensor
    velocity: Tensor | None = None
    """With momentum alone."""

    def put(self, row: Tensor) -> None:
        """Copy it into a row from which ``_State(*row)`` reads it."""
        row[0] = self.theta
        if self.velocity is not None:
            row[1] = self.velocity


def _sweep(
    derivatives: Derivatives,
    images: Tensor,
    labels: Tensor,
    descent: Descent,
    state: _State,
    steps: Sequence[_Step],
) -> Iterator[_State]:
    """The states before and after each of some steps."""
    yield state
    for (view, index), rate in steps:
        state = _moved(state, derivatives.gradient(state.theta, view(images), labels[index]), rate, descent)
        yield state


def _moved(state: _State, gradient: Tensor, rate: float, descent: Descent) -> _State:
    """The state after a step."""
    velocity = _velocity(gradient, state.velocity, descent)
    return _State(state.theta.sub(velocity, alpha=rate), velocity if descent.momentum else None)


def _leaf(labels: Tensor) -> Tensor:
    """Labels that a gradient is taken for, where they are shares of classes."""
    return labels.detach().requires_grad_(labels.is_floating_point())


def _velocity(gradient: Tensor, before: Tensor | None, descent: Descent) -> Tensor:
    return gradient + descent.momentum * before if descent.momentum and before is not None else gradient


def _numbers(gradient: Tensor) -> float | list[float]:
    return [part.item() for part in gradient] if gradient.dim() else gradient.item()


def _squared_norm(vector: Tensor, shapes: Sequence[torch.Size]) -> Tensor:
    """Summed within each part first."""
    return torch.stack([part.square().sum() for part in shaped(vector, shapes)]).sum()
