"""Hard and easy instances (Du et al. 2023, figures 1 and 6): k-means on losses of real images. No torch."""

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans


def hard_instances(losses: np.ndarray, random_state: int) -> np.ndarray:
    """Split instances in two by k-means on their loss vectors; hard is the cluster with the higher final loss.

    Args:
        losses: (R, N), one column an instance.
        random_state: seeds the starts of k-means.

    Returns:
        Boolean (N,), True for hard; all False where every instance has the same losses.
    """
    if (losses == losses[:, :1]).all():
        return np.zeros(losses.shape[1], bool)
    means = KMeans(n_clusters=2, n_init=10, random_state=random_state)
    cluster = means.fit_predict(losses.T)
    final = [losses[-1, cluster == index].mean() for index in (0, 1)]
    return cluster == int(np.argmax(final))


def difficulty_table(losses: np.ndarray, epochs: np.ndarray, stages: np.ndarray, random_state: int) -> pd.DataFrame:
    """Share of hard and easy instances and the mean loss of each, by network and moment.

    The split is made once, on loss vectors averaged over the networks.

    Args:
        losses, epochs, stages: as in `seqmatch.losses.LossRecord`: (E, R, N), (R,), (R,).

    Returns:
        One row a network, moment and kind: `network`, `stage`, `epoch`, `difficulty` (easy or hard),
        `share` (in [0, 1]), `mean_loss`.
    """
    hard = hard_instances(losses.mean(0), random_state)
    kinds = [(name, members) for name, members in (("easy", ~hard), ("hard", hard)) if members.any()]
    rows = [
        {
            "network": network,
            "stage": int(stages[moment]),
            "epoch": int(epochs[moment]),
            "difficulty": name,
            "share": members.mean(),
            "mean_loss": float(losses[network, moment, members].mean()),
        }
        for network in range(len(losses))
        for moment in range(losses.shape[1])
        for name, members in kinds
    ]
    return pd.DataFrame(rows)
