"""Hard and easy instances (Du et al. 2023, figures 1 and 6): k-means on losses of real images. No torch."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

RANDOM_STATE = 0
"""Seeds the starts of k-means in every table."""
BINS = 100
"""The table of all instances has about so many rows, each the mean over near-equally many instances."""


def hard_instances(losses: np.ndarray) -> np.ndarray:
    """Split instances in two by k-means on their loss vectors; hard is the cluster with the higher final loss.

    Args:
        losses: (R, N), one column per instance.

    Returns:
        Boolean (N,), True for hard; all False where every instance has the same losses.
    """
    if (losses == losses[:, :1]).all():
        return np.zeros(losses.shape[1], bool)
    means = KMeans(n_clusters=2, n_init=10, random_state=RANDOM_STATE)
    cluster = means.fit_predict(losses.T)
    final = [losses[-1, cluster == index].mean() for index in (0, 1)]
    return cluster == int(np.argmax(final))


def agreement_table(splits: Mapping[int, np.ndarray]) -> pd.DataFrame:
    """How far splits of the same instances agree: the adjusted Rand index of every two.

    Args:
        splits: boolean (N,) each, by the number of its network or seed.

    Returns:
        One row per pair: `first`, `second`, `adjusted_rand_index` (1: the same split; 0 on average for splits that have
        nothing to do with each other).
    """
    rows = [
        (first, second, adjusted_rand_score(splits[first], splits[second])) for first, second in combinations(splits, 2)
    ]
    return pd.DataFrame(rows, columns=["first", "second", "adjusted_rand_index"])


def difficulty_table(losses: np.ndarray, epochs: np.ndarray, stages: np.ndarray, hard: np.ndarray) -> pd.DataFrame:
    """Share of hard and easy instances and the mean loss of each, by network and moment.

    Args:
        losses, epochs, stages: as in `seqmatch.analysis.losses.LossRecord`: (E, R, N), (R,), (R,).
        hard: boolean (N,).

    Returns:
        One row per network, moment and kind: `network`, `stage`, `epoch`, `difficulty` (easy or hard),
        `share` (in [0, 1]), `mean_loss`.
    """
    kinds = [(name, mask) for name, mask in (("easy", ~hard), ("hard", hard)) if mask.any()]
    rows = [
        {
            "network": network,
            "stage": int(stages[moment]),
            "epoch": int(epochs[moment]),
            "difficulty": name,
            "share": mask.mean(),
            "mean_loss": float(losses[network, moment, mask].mean()),
        }
        for network in range(len(losses))
        for moment in range(losses.shape[1])
        for name, mask in kinds
    ]
    return pd.DataFrame(rows)


def stage_ends(losses: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """Losses when each stage ends, the mean over networks: (K, N).

    Args:
        losses, stages: as `difficulty_table` takes them.
    """
    ends = [int(np.flatnonzero(stages == stage)[-1]) for stage in np.unique(stages)]
    return losses.mean(0)[ends]


def common_difficulty(ends: Mapping[tuple[str, int], np.ndarray]) -> pd.DataFrame:
    """Mean losses of hard and easy instances when each stage ends, on a split that all methods share.

    An instance is hard for a seed by k-means on its final losses under all methods, of the *other* seeds: a split by
    the losses that are then averaged would favour methods that had no part in it, and draw the hard ones nearer.

    Args:
        ends: by method and seed, as `stage_ends` returns.

    Returns:
        One row per method, seed, stage and kind: `method`, `seed`, `stage` (from 1), `difficulty`, `mean_loss`. None
        for a method without other seeds.
    """
    rows = []
    for seed in sorted({seed for _, seed in ends}):
        others = [losses[-1] for (_, other), losses in ends.items() if other != seed]
        if not others:
            continue
        hard = hard_instances(np.mean(others, axis=0, keepdims=True))
        rows += [
            {
                "method": method,
                "seed": seed,
                "stage": stage,
                "difficulty": name,
                "mean_loss": float(losses[mask].mean()),
            }
            for (method, own), of_run in ends.items()
            if own == seed
            for stage, losses in enumerate(of_run, start=1)
            for name, mask in (("easy", ~hard), ("hard", hard))
            if mask.any()
        ]
    return pd.DataFrame(rows, columns=["method", "seed", "stage", "difficulty", "mean_loss"])


def binned_losses(losses: np.ndarray, epochs: np.ndarray, stages: np.ndarray, hard: np.ndarray) -> pd.DataFrame:
    """Losses of all instances, from the hardest to the easiest, in about `BINS` bins of near-equal size.

    Losses are averaged over networks. Hard instances come first, within each kind those of higher final loss; no bin
    holds both kinds.

    Args:
        losses, epochs, stages, hard: as `difficulty_table` takes them.

    Returns:
        One row per bin and moment: `bin` (from 0, the hardest), `difficulty`, `images` (of the bin), `stage`, `epoch`,
        `mean_loss`.
    """
    mean = losses.mean(0)
    bins = []
    for name, mask in (("hard", hard), ("easy", ~hard)):
        instances = mask.nonzero()[0]
        instances = instances[np.argsort(-mean[-1, instances], kind="stable")]
        count = min(len(instances), max(1, round(BINS * mask.mean())))
        bins += [(name, part) for part in np.array_split(instances, count)] if count else []
    rows = [
        {
            "bin": index,
            "difficulty": name,
            "images": len(part),
            "stage": int(stages[moment]),
            "epoch": int(epochs[moment]),
            "mean_loss": float(mean[moment, part].mean()),
        }
        for index, (name, part) in enumerate(bins)
        for moment in range(len(epochs))
    ]
    return pd.DataFrame(rows)
