"""Train any network on a distilled set, and say what the set is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from seqmatch.analysis.evaluation import evaluate as evaluate_curricula
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.sets.distilled import Distilled
from seqmatch.training.learner import Learner
from seqmatch.training.loop import make_phases, train_through


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies of networks trained on a set, in percent."""

    values: tuple[float, ...]
    """One per network; NaN for a network that failed."""
    mean: float
    std: float
    """Standard deviation over networks."""


def train(network: nn.Module, distilled: Distilled, seed: int = 0) -> nn.Module:
    """Train `network`, in place, through the stages of the set under the protocol that the set was evaluated under."""
    phases = make_phases(distilled.stages, distilled.evaluation, Seed("train", seed))
    train_through(network, phases, distilled.augmentation)
    return network


def evaluate(
    distilled: Distilled,
    images: Tensor,
    labels: Tensor,
    new_network: Callable[[Seed], nn.Module] | None = None,
    seed: int = 0,
) -> Accuracies:
    """Train fresh networks on the set and test each, as the tables do.

    Args:
        images: uint8, (N, C, H, W), as they are: they are normalised as the set's images are.
        labels: int64, (N,).
        new_network: by default networks of the set's own architecture.
    """
    new_network = new_network or partial(build, distilled.architecture, distilled.shape, len(distilled.class_names))
    learner = Learner(new_network, distilled.evaluation, distilled.augmentation)
    test = (distilled.normalization.apply(images), labels)
    table = evaluate_curricula({"last": distilled.stages}, test, learner, Seed("evaluate", seed))
    found = table["accuracy"]
    return Accuracies(tuple(found), float(found.mean()), float(found.std()))
