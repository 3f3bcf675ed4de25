"""What a distilled set is worth: the accuracy of fresh networks trained on it, and which snapshot to take."""

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from torch import nn

from seqmatch import config
from seqmatch.progress import Progress
from seqmatch.seeds import Seed
from seqmatch.sequence import Subset, make_curriculum
from seqmatch.snapshots import Snapshots
from seqmatch.training import (
    Gradient,
    Labelled,
    NewNetwork,
    Stage,
    accuracy,
    is_finite,
    loss_gradient,
    train,
    train_through,
)


@dataclass(frozen=True)
class Trained:
    """One network trained through a curriculum."""

    accuracy: float
    """Of the last epoch, in percent."""
    seconds: float


def evaluate(
    curriculum: Sequence[Stage],
    test: Labelled,
    new_network: NewNetwork,
    settings: config.Evaluation,
    augmentation: Sequence[str],
    seed: Seed,
    gradient: Gradient = loss_gradient,
) -> list[Trained]:
    """Train `settings.networks` fresh networks through the curriculum and test each after its last epoch."""
    results = []
    for index in Progress(range(settings.networks), desc="evaluate", unit="network"):
        began = time.perf_counter()
        network = new_network(seed / index / "initial")
        train_through(network, curriculum, settings.epochs, settings, augmentation, seed / index, gradient=gradient)
        percent = _percent(network, test)
        results.append(Trained(percent, time.perf_counter() - began))
    return results


def score_snapshots(
    prefix: Sequence[Subset],
    snapshots: Snapshots,
    splits: dict[str, Labelled],
    new_network: NewNetwork,
    networks: int,
    settings: config.Evaluation,
    augmentation: Sequence[str],
    seed: Seed,
    gradient: Gradient = loss_gradient,
) -> pd.DataFrame:
    """Accuracy on each split of networks trained through S_1 … S_{k−1} and then on each snapshot of S_k.

    The stages before S_k are trained once a network and shared by all snapshots.

    Args:
        splits: by the name of the column that they fill, at least one.

    Returns:
        One row a network and snapshot: `network`, `snapshot`, `iteration`, `step_size`, and a column of
        percent for each of `splits`.
    """
    device = next(iter(splits.values()))[0].device
    earlier = [stage.to(device) for stage in make_curriculum(prefix, settings)]
    rows = []
    count = len(snapshots.iterations)
    with Progress(total=networks * count, desc="score", unit="snapshot") as bar:
        for index in range(networks):
            prepared = new_network(seed / index / "initial")
            train_through(prepared, earlier, settings.epochs, settings, augmentation, seed / index, gradient=gradient)
            for snapshot in range(count):
                stage = make_curriculum([*prefix, snapshots.subset(snapshot)], settings)[-1].to(device)
                network = copy.deepcopy(prepared)
                train(
                    network,
                    stage,
                    settings.epochs,
                    settings,
                    augmentation,
                    seed / index / len(prefix),
                    gradient=gradient,
                )
                row = {
                    "network": index,
                    "snapshot": snapshot,
                    "iteration": int(snapshots.iterations[snapshot]),
                    "step_size": float(snapshots.step_sizes[snapshot]),
                }
                rows.append(row | {name: _percent(network, split) for name, split in splits.items()})
                bar.update()
    return pd.DataFrame(rows)


def _percent(network: nn.Module, test: Labelled) -> float:
    """Accuracy in percent; 0 for a network whose training diverged."""
    if is_finite(network):
        return 100 * accuracy(network, *test)
    print("warning: a network diverged and counts as 0 % (is the step size too large?)", file=sys.stderr, flush=True)
    return 0.0


def choose_snapshot(snapshots: Snapshots, scores: pd.DataFrame, protocol: str) -> int:
    """The last snapshot, or the one with the highest mean score; the later one of equals.

    Args:
        scores: as `score_snapshots` returns; not looked at for `last`.
        protocol: `last`, or the column of a split: `validation`, or `test` (the paper's protocol, and
            optimistic).
    """
    if protocol == "last":
        return len(snapshots.iterations) - 1
    means = scores.groupby("snapshot")[protocol].mean()
    return int(means[means == means.max()].index[-1])
