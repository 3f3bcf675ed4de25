"""Train any network on a distilled set, and say what the set is worth."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import ref

import numpy as np
import torch
from torch import Tensor, nn

from seqmatch.data.arrays import tensor_of
from seqmatch.errors import SeqmatchError, in_short, number
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.sets.distilled import Distilled, expect_set
from seqmatch.training.ensemble import always_eager
from seqmatch.training.gradients import gradients_like, trained
from seqmatch.training.learner import Learner
from seqmatch.training.loop import NewNetwork, make_phases, train_through

Transform = Callable[[Tensor], Tensor]
"""From normalised images (N, C, H, W), augmented ones in training, to what the network takes."""


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies of networks trained on a set, in percent."""

    values: tuple[float, ...]
    """One per network; NaN for a network that failed."""
    mean: float
    std: float
    """Standard deviation over networks; NaN for one network."""

    def __str__(self) -> str:
        count, failed = len(self.values), sum(map(math.isnan, self.values))
        if failed == count:
            return f"failed ({number(count, 'network')})"
        spread = f" ± {self.std:.1f}" if count - failed > 1 else ""
        left_out = f", {failed} failed and left out" if failed else ""
        return f"{self.mean:.1f}{spread} % ({number(count, 'network')}{left_out})"


@contextmanager
def _learning() -> Iterator[None]:
    """Within, gradients are recorded, whatever is set outside.

    Raises:
        SeqmatchError: PyTorch makes numbers of another type than sets have.
    """
    if torch.get_default_dtype() != torch.float32:
        raise SeqmatchError(
            f"PyTorch's default type is {torch.get_default_dtype()}, and sets are learned from in float32; set it "
            "back: torch.set_default_dtype(torch.float32)"
        )
    with torch.inference_mode(False), torch.enable_grad():
        yield


@_learning()
def train(network: nn.Module, distilled: Distilled, seed: int = 0, transform: Transform | None = None) -> nn.Module:
    """Train `network`, in place, through the stages of the set under the protocol that the set was evaluated under.

    Args:
        distilled: what it learns from; another protocol is that of `distilled.with_evaluation(epochs=25)`.
        network: takes images (N, C, H, W) to logits (N, classes). It is trained where its parameters are, but for
            frozen ones (`requires_grad=False`), and comes back in evaluation mode. Modules of it that are in
            evaluation mode, such as a frozen batch norm, stay so, unless all are.
        seed: names the draws of minibatches, augmentation and dropout.
        transform: what the network shall see of images, such as larger ones; applied to each minibatch.

    Raises:
        SeqmatchError: the network does not fit the set; says what.
    """
    if not isinstance(network, nn.Module):
        raise SeqmatchError(f"train(network, set): expected a torch.nn.Module first, found {type(network).__name__}")
    expect_set(distilled)
    learner = _Through(network, transform)
    check(learner, distilled)
    device = next(network.parameters()).device
    phases = make_phases([stage.to(device) for stage in distilled.stages], distilled.evaluation, Seed("train", seed))
    with _drawing(Seed("train", seed, "dropout"), device):
        train_through(learner, phases, distilled.augmentation)
    if failed(learner, distilled):
        warnings.warn("the network failed: its training diverged (is the step size too large?)", stacklevel=3)
    return network.eval()


@_learning()
def evaluate(
    distilled: Distilled,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    new_network: Callable[[], nn.Module] | None = None,
    networks: int | None = None,
    seed: int | None = None,
    transform: Transform | None = None,
) -> Accuracies:
    """Train fresh networks on the set and test each, as the tables do.

    Args:
        images: (N, C, H, W), as they are: uint8, or numbers in [0, 1]. They are normalised as the set's images are.
        labels: whole numbers (N,), from 0.
        new_network: makes a network, drawing from PyTorch's own generator; where its parameters are, it is trained. It
            is called once more than there are networks. By default networks of the set's own architecture, where the
            images are.
        networks: how many; by default as many as the set was evaluated on.
        seed: names the draws. By default those of the workflow for this set: on the same machine, with as many threads,
            as many networks of the set's own architecture have the accuracies of its table to the bit.
        transform: as of `train`.

    Raises:
        SeqmatchError: images, labels or networks do not fit the set; says what.
    """
    from seqmatch.analysis.evaluation import evaluate as evaluate_curricula  # imports pandas
    from seqmatch.analysis.evaluation import evaluation_seed

    expect_set(distilled)
    if networks is not None:
        distilled = distilled.with_evaluation(networks=networks)
    images = distilled.normalize(images)
    labels = _checked_labels(labels, len(images), len(distilled.class_names))
    run, name = distilled.about.get("distilled", {}), distilled.about.get("parameters", {}).get("architecture_name")
    if seed is None and name and {"dataset", "ipc", "seed"} <= run.keys():
        named = evaluation_seed(run["dataset"], run["ipc"], run["seed"], name)
    else:
        named = Seed("evaluate", seed or 0)
    make = _new_networks(distilled, new_network, transform, images.device)
    first = make(named / 0 / "initial")
    device = next(first.parameters()).device
    gradients = always_eager if new_network or transform else gradients_like(first, distilled.shape, "auto")
    learner = Learner(make, distilled.evaluation, distilled.augmentation, gradients)
    stages = [stage.to(device) for stage in distilled.stages]
    with _drawing(named / "dropout", device):
        found = evaluate_curricula({"last": stages}, (images.to(device), labels.to(device)), learner, named)["accuracy"]
    return Accuracies(tuple(found), float(found.mean()), float(found.std()))


@torch.no_grad()
def failed(network: nn.Module, distilled: Distilled) -> bool:
    """Whether a network that learned from a set has failed: what it says of the set's images is not finite."""
    images = distilled.stages[-1].images.to(next(network.parameters()).device)
    return not all(network.eval()(batch.clone()).isfinite().all() for batch in images.split(64))


class _Through(nn.Module):
    """A network of anyone's as the loop trains it.

    It sees images through a transform; either may write into what it is given. Modules that rest, in evaluation mode
    while others are not, rest in training too.
    """

    def __init__(self, network: nn.Module, transform: Transform | None):
        super().__init__()
        self.network, self._transform = network, (transform,)  # within a tuple a module of it is none of this network's
        modes = [module.training for module in network.modules()]
        self._resting = [module for module in network.modules() if any(modes) and not module.training]

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        for module in self._resting:
            module.training = False
        return self

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(self._seen(images.clone()))
        if not isinstance(logits, Tensor):
            when = "in training" if self.training else "for images"
            raise SeqmatchError(f"the network gives {type(logits).__name__} {when}, not a tensor of logits")
        return logits

    def _seen(self, images: Tensor) -> Tensor:
        (transform,) = self._transform
        if transform is None:
            return images
        try:
            seen = transform(images)
        except Exception as error:
            raise SeqmatchError(f"transform: of images {tuple(images.shape)} it fails: {in_short(error)}") from error
        if not isinstance(seen, Tensor):
            raise SeqmatchError(f"transform: expected to make a tensor of images, found {type(seen).__name__}")
        return seen


def _new_networks(
    distilled: Distilled,
    new_network: Callable[[], nn.Module] | None,
    transform: Transform | None,
    device: torch.device,
) -> NewNetwork:
    """From a seed to a fresh network, which fits the set."""
    before: dict[int, ref[Tensor]] = {}
    """What was trained of networks that were made, by its identity, as long as it is there."""

    def own(seed: Seed) -> nn.Module:
        network = build(distilled.architecture, distilled.shape, len(distilled.class_names), seed, device)
        made = _Through(network, transform) if transform else network
        check(made, distilled)
        return made

    def given(seed: Seed) -> nn.Module:
        with _drawing(seed, device):
            made = _Through(_one_of(new_network), transform)
            check(made, distilled)  # lazy layers draw here
        learning = list(_learning_in(made))
        if any(id(tensor) in before and before[id(tensor)]() is tensor for tensor in learning):
            raise SeqmatchError(
                "new_network: it makes the same network again, or one with a part of it, which has learned already; "
                "make a new one each time, as lambda: Network(…) does. A part that they shall share has to be frozen, "
                "and its batch norm in evaluation mode"
            )
        before.update({id(tensor): ref(tensor) for tensor in learning})
        return made

    if new_network is None and distilled.architecture.own:
        raise SeqmatchError(
            f"this set was evaluated on a network of its makers' own, {distilled.architecture.family}, whose code is "
            "not run for it; give `new_network`, a function that makes a network"
        )
    return own if new_network is None else given


def _learning_in(network: nn.Module) -> Iterator[Tensor]:
    """What training changes of a network: trained parameters, and running statistics."""
    yield from trained(network)
    for module in network.modules():
        if module.training and getattr(module, "track_running_stats", False):
            yield from module.buffers(recurse=False)


def _one_of(new_network: Callable[[], nn.Module]) -> nn.Module:
    """What a function without arguments makes."""
    try:
        made = None if isinstance(new_network, nn.Module) else new_network()
    except TypeError as error:
        raise SeqmatchError(f"new_network: called without arguments, it fails: {error}") from error
    if not isinstance(made, nn.Module):
        raise SeqmatchError(
            f"new_network: expected a function without arguments that makes a new network each time, found "
            f"{'a network' if made is None else 'one that makes ' + type(made).__name__}; write lambda: …"
        )
    return made


@contextmanager
def _drawing(seed: Seed, device: torch.device) -> Iterator[None]:
    """Meanwhile PyTorch's own generators, of which dropout draws, start from `seed`."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed.integer())
        yield


def _checked_labels(labels: Tensor | np.ndarray, count: int, classes: int) -> Tensor:
    found = tensor_of(labels, "labels")
    if found.shape != (count,) or found.is_floating_point():
        raise SeqmatchError(f"labels: expected {count} whole numbers, found {found.dtype} {tuple(found.shape)}")
    found = found.long()
    if count == 0 or not 0 <= int(found.min()) <= int(found.max()) < classes:
        between = f"{int(found.min())} to {int(found.max())}" if count else "none"
        raise SeqmatchError(f"labels: expected 0 to {classes - 1}, the classes of the set, found {between}")
    return found


def check(network: nn.Module, distilled: Distilled) -> None:
    """Whether a network can learn from a set. Lazy layers take their sizes.

    Raises:
        SeqmatchError: says what does not fit: the images that it takes, the number of outputs, or a parameter.
    """
    every = [(name.removeprefix("network."), parameter) for name, parameter in network.named_parameters()]
    named = [(name, parameter) for name, parameter in every if parameter.requires_grad]
    if not named:
        frozen = ": all are frozen (requires_grad=False)" if every else ""
        raise SeqmatchError(f"the network has no parameters to train{frozen}")
    for name, parameter in named:
        if parameter.dtype != torch.float32:
            raise SeqmatchError(f"parameter {name}: expected float32 numbers to train, found {parameter.dtype}")
    classes, shape = len(distilled.class_names), distilled.shape
    modes, size = [(module, module.training) for module in network.modules()], "×".join(map(str, shape))
    images = torch.zeros(2, *shape, device=named[0][1].device)
    try:
        logits = network.eval()(images)
    except SeqmatchError:
        raise
    except Exception as error:
        raise SeqmatchError(
            f"the network does not take the images of this set, {size} (channels, height, width): {in_short(error)}; "
            "give a network for such images, or a `transform` that makes them larger or repeats their channels"
        ) from error
    finally:
        for module, training in modes:
            module.training = training
    if tuple(logits.shape) != (2, classes):
        raise SeqmatchError(
            f"the network gives {tuple(logits.shape)} of two images, expected (2, {classes}): the set has {classes} "
            f"classes; give it {classes} outputs (torchvision: num_classes={classes})"
        )
    if within := [name for name, parameter in named if parameter.is_inference()]:
        raise SeqmatchError(
            f"parameter {within[0]}: made within torch.inference_mode, and cannot be trained; make the network outside"
        )
    slopes = torch.autograd.grad(logits.sum(), [parameter for _, parameter in named], allow_unused=True)
    unused = [name for (name, _), slope in zip(named, slopes, strict=True) if slope is None]
    if unused:
        raise SeqmatchError(
            f"parameter {unused[0]} of the network has no part in its logits, and cannot be trained; where that is "
            "meant, freeze it: parameter.requires_grad_(False)"
        )
