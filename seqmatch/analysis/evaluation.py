"""What a distilled set is worth: the accuracy of fresh networks trained on it, and which snapshot to select."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import get_args

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from seqmatch.config.sections import FEW, SelectedBy
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import Snapshots
from seqmatch.synthetic.subset import Subset
from seqmatch.training.ensemble import Member, Record, Trained
from seqmatch.training.inference import accuracy, is_finite
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled, Position, Stage, make_phases, with_parameters

SELECTIONS = get_args(SelectedBy)
"""How a snapshot may be selected. By `test`, as is usual in the field, the accuracy on test data is optimistic."""


def evaluate(curricula: Mapping[str, Sequence[Stage]], test: Labelled, learner: Learner, seed: Seed) -> pd.DataFrame:
    """Train `learner.settings.networks` fresh networks through each curriculum and test each after its last epoch.

    Networks of equal number share their random draws across curricula, so that these compare in pairs. Equal curricula,
    as when the last snapshot is also the best, share their networks: they would be the same to the bit.

    Args:
        curricula: by the selection of the snapshot in them.
        seed: network i draws from ``seed / i``.

    Returns:
        One row per curriculum and network: `selection`, `network`, `accuracy` in percent, `seconds`. A network that
        failed has no accuracy (NaN).
    """
    networks = range(learner.settings.networks)
    first = {
        name: next(other for other in curricula if _equal(curricula[other], curricula[name])) for name in curricula
    }
    pairs = [(name, index) for name in dict.fromkeys(first.values()) for index in networks]
    members = [learner.member(curricula[name], seed / index, name) for name, index in pairs]
    trained = dict(zip(pairs, learner.train(members, _accuracies([test]), "evaluate"), strict=True))
    rows = [(name, index, trained[first[name], index]) for name in curricula for index in networks]
    return pd.DataFrame(
        [
            {"selection": name, "network": index, "accuracy": float(member.records[0]), "seconds": member.seconds}
            for name, index, member in rows
        ]
    )


def score_snapshots(
    prefix: Sequence[Subset],
    snapshots: Snapshots,
    splits: Mapping[str, Labelled],
    learner: Learner,
    networks: int,
    seed: Seed,
) -> pd.DataFrame:
    """Accuracy on each split of networks trained through S_1 … S_{k−1} and then on each snapshot of S_k.

    Each network is trained once through the stages before S_k, and goes on from there on every snapshot. Where momentum
    goes on too, it is trained through all stages for each of them.

    Args:
        splits: by the name of the column that they fill, at least one.
        learner: of networks without running statistics.
        networks: how many score each snapshot; takes the place of `learner.settings.networks`.
        seed: network i draws from ``seed / i``.

    Returns:
        One row per network and snapshot: `network`, `snapshot`, `iteration`, `step_size`, and a column of
        percent for each of `splits`.
    """
    device = next(iter(splits.values()))[0].device
    settings, seeds = learner.settings, [seed / index for index in range(networks)]
    first = len(prefix) if settings.momentum_restarts else 0
    starts = _starts(prefix[:first], learner, seeds, device)
    curricula = [
        [stage.to(device) for stage in make_curriculum([*prefix, snapshots.subset(index)], settings)[first:]]
        for index in range(len(snapshots.iterations))
    ]
    pairs = [(network, snapshot) for network in range(networks) for snapshot in range(len(curricula))]
    members = [
        Member(starts[network], make_phases(curricula[snapshot], settings, seeds[network], first))
        for network, snapshot in pairs
    ]
    trained = learner.train(members, _accuracies(list(splits.values())), "score")
    return pd.DataFrame(
        [
            {
                "network": network,
                "snapshot": snapshot,
                "iteration": int(snapshots.iterations[snapshot]),
                "step_size": float(snapshots.step_sizes[snapshot]),
                **dict(zip(splits, member.records[0].tolist(), strict=True)),
            }
            for (network, snapshot), member in zip(pairs, trained, strict=True)
        ]
    )


def choose_snapshot(snapshots: Snapshots, scores: pd.DataFrame, selection: str) -> int:
    """Index of the last snapshot, or of the one with the highest mean score; of equal ones, the later.

    A snapshot on which a network failed comes after all on which fewer did.

    Args:
        scores: as `score_snapshots` returns; not looked at for `last`.
        selection: one of `SELECTIONS`: `last`, or the column of scores that decides.

    Raises:
        SeqmatchError: the scores are of other snapshots, or of no such selection.
    """
    count = len(snapshots.iterations)
    if selection == "last":
        return count - 1
    if selection not in scores or set(scores["snapshot"]) != set(range(count)):
        raise SeqmatchError(f"the scores are not of these {count} snapshots by {selection}; score them again")
    return ranking(scores, selection)[-1]


def ranking(scores: pd.DataFrame, selection: str) -> list[int]:
    """Snapshots from the worst to the best by a column of scores; of equal ones, the later is better."""
    by_snapshot = scores.groupby("snapshot")[selection]
    table = pd.DataFrame({"failed": by_snapshot.size() - by_snapshot.count(), "mean": by_snapshot.mean()})
    return table.sort_index().sort_values(["failed", "mean"], ascending=[False, True], kind="stable").index.tolist()


def doubts(scores: pd.DataFrame, selection: str, images: int) -> list[str]:
    """What speaks against a choice by `selection` from `scores`, a line each.

    Args:
        images: how many the accuracies were counted on.
    """
    chosen = ranking(scores, selection)[-1]
    means = scores.groupby("snapshot")[selection].mean()
    equal = max(int((means == means[chosen]).sum()) - 1, 0)
    failed = int(scores[selection].isna().sum())
    first = scores.loc[scores["snapshot"] == chosen, "iteration"].iloc[0] == 0 and len(means) > 1
    return [
        text
        for text, holds in (
            (f"it was selected on {images} images alone, of which one is {100 / images:.1f} points", images < FEW),
            (f"others have the same score ({equal}); the latest was taken", equal),
            (f"{failed} of {len(scores)} networks that score snapshots failed", failed),
            (
                "it is the first one, of iteration 0: its images are the initial, real ones, and nothing is distilled",
                first,
            ),
        )
        if holds
    ]


def evaluation_seed(dataset: str, ipc: str | int, seed: int, architecture: str) -> Seed:
    """Names the draws of networks that are evaluated, alike for all methods: so these compare in pairs."""
    return Seed("evaluate", dataset, ipc, seed, architecture)


def percent(network: nn.Module, test: Labelled) -> float:
    """Accuracy in percent; NaN for a network that failed: its training diverged, or its logits are not finite."""
    found = 100 * accuracy(network, *test) if is_finite(network) else math.nan
    if math.isnan(found):
        print("warning: a network failed: its training diverged (is the step size too large?)", file=sys.stderr)
    return found


def _starts(
    prefix: Sequence[Subset], learner: Learner, seeds: Sequence[Seed], device: torch.device
) -> list[Callable[[], nn.Module]]:
    """What makes networks that were trained through S_1 … S_{k−1}, one per seed; without a prefix, fresh ones."""
    earlier = [stage.to(device) for stage in make_curriculum(prefix, learner.settings)]
    members = [learner.member(earlier, seed) for seed in seeds]
    if not earlier:
        return [member.start for member in members]
    trained = learner.part("earlier").train(members, _parameters, "earlier stages")
    return [partial(_taught, member, result) for member, result in zip(members, trained, strict=True)]


def _taught(member: Member, result: Trained) -> nn.Module:
    return with_parameters(member.start(), result.records[0])


def _equal(one: Sequence[Stage], other: Sequence[Stage]) -> bool:
    return len(one) == len(other) and all(
        a.step_size == b.step_size and torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(one, other, strict=True)
    )


def _accuracies(tests: Sequence[Labelled]) -> Record:
    """Percent on each of `tests`, at the end."""
    return lambda network, position: (
        torch.tensor([percent(network, test) for test in tests], dtype=torch.float64) if position.last else None
    )


def _parameters(network: nn.Module, position: Position) -> Tensor | None:
    """All parameters as one vector, at the end."""
    return parameters_to_vector(network.parameters()) if position.last else None
