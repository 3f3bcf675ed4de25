"""What a distilled set is worth: the accuracy of fresh networks trained on it, and which snapshot to take."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from seqmatch import config
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import Snapshots
from seqmatch.synthetic.subset import Subset
from seqmatch.training.ensemble import Member, Record, train_ensemble
from seqmatch.training.gradients import Gradients, eager_gradients
from seqmatch.training.inference import accuracy, is_finite
from seqmatch.training.loop import Labelled, NewNetwork, Phase, Position, Stage, make_phases


def evaluate(
    curricula: Mapping[str, Sequence[Stage]],
    test: Labelled,
    new_network: NewNetwork,
    settings: config.Evaluation,
    augmentation: Sequence[str],
    seed: Seed,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Train `settings.networks` fresh networks through each curriculum and test each after its last epoch.

    Networks of equal number share their random draws across curricula, so that these compare in pairs.

    Args:
        curricula: by the name of the choice that they stand for.

    Returns:
        One row a curriculum and network: `selection`, `network`, `accuracy` in percent, `seconds`.
    """
    choices = [(selection, index) for selection in curricula for index in range(settings.networks)]
    members = [
        Member(
            partial(new_network, seed / index / "initial"), make_phases(curricula[selection], settings, seed / index)
        )
        for selection, index in choices
    ]
    trained = train_ensemble(
        members, _accuracies([test]), augmentation, gradients, checkpoint or NoCheckpoint(), "evaluate"
    )
    return pd.DataFrame(
        [
            {"selection": selection, "network": index, "accuracy": float(member.records[0]), "seconds": member.seconds}
            for (selection, index), member in zip(choices, trained, strict=True)
        ]
    )


def score_snapshots(
    prefix: Sequence[Subset],
    snapshots: Snapshots,
    splits: dict[str, Labelled],
    new_network: NewNetwork,
    networks: int,
    settings: config.Evaluation,
    augmentation: Sequence[str],
    seed: Seed,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Accuracy on each split of networks trained through S_1 … S_{k−1} and then on each snapshot of S_k.

    The stages before S_k are trained once a network and shared by all snapshots.

    Args:
        splits: by the name of the column that they fill, at least one.
        new_network: one without running statistics.

    Returns:
        One row a network and snapshot: `network`, `snapshot`, `iteration`, `step_size`, and a column of
        percent for each of `splits`.
    """
    checkpoint = checkpoint or NoCheckpoint()
    device = next(iter(splits.values()))[0].device
    earlier = [stage.to(device) for stage in make_curriculum(prefix, settings)]
    fresh = [
        Member(partial(new_network, seed / index / "initial"), make_phases(earlier, settings, seed / index))
        for index in range(networks)
    ]
    prepared = train_ensemble(fresh, _parameters, augmentation, gradients, checkpoint.part("earlier"), "earlier stages")

    def start(index: int) -> nn.Module:
        network = fresh[index].start()
        if prefix:
            vector_to_parameters(prepared[index].records[0].clone().to(device), network.parameters())
        return network

    each = range(len(snapshots.iterations))
    last = [make_curriculum([*prefix, snapshots.subset(snapshot)], settings)[-1].to(device) for snapshot in each]
    pairs = [(index, snapshot) for index in range(networks) for snapshot in each]
    members = [
        Member(partial(start, index), [Phase(last[snapshot], settings.epochs, settings, seed / index / len(prefix))])
        for index, snapshot in pairs
    ]
    trained = train_ensemble(members, _accuracies(splits.values()), augmentation, gradients, checkpoint, "score")
    return pd.DataFrame(
        [
            {
                "network": index,
                "snapshot": snapshot,
                "iteration": int(snapshots.iterations[snapshot]),
                "step_size": float(snapshots.step_sizes[snapshot]),
                **dict(zip(splits, member.records[0].tolist(), strict=True)),
            }
            for (index, snapshot), member in zip(pairs, trained, strict=True)
        ]
    )


def _accuracies(tests: Iterable[Labelled]) -> Record:
    """Percent on each of `tests`, at the end."""
    tests = list(tests)
    return lambda network, position: (
        torch.tensor([percent(network, test) for test in tests], dtype=torch.float64) if position.last else None
    )


def _parameters(network: nn.Module, position: Position) -> Tensor | None:
    """All parameters as one vector, at the end."""
    return parameters_to_vector(network.parameters()) if position.last else None


def percent(network: nn.Module, test: Labelled) -> float:
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
