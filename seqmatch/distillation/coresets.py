"""Choosing real images: at random, or by herding, k-center or k-means in the features of a trained network."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from seqmatch.networks import features
from seqmatch.seeds import Seed
from seqmatch.training.inference import chunks

Order = Callable[[Tensor, int], Tensor]
"""Indices (n,) of the images of a class, and the class, to indices in the order in which they are taken."""


def random_order(seed: Seed) -> Order:
    """Any order; class c draws from ``seed / c``."""
    return lambda members, label: members[torch.randperm(len(members), generator=(seed / label).generator())]


def classified_order(classified: Tensor, seed: Seed) -> Order:
    """Any order in which those that a network classifies correctly, bool (N,), come before all others."""

    def order(members: Tensor, label: int) -> Tensor:
        shuffled = random_order(seed)(members, label)
        return shuffled[classified[shuffled].logical_not().to(torch.int8).argsort(stable=True)]

    return order


def coreset_order(choose: Callable[[Tensor, int], Tensor], embedded: Tensor, count: int) -> Order:
    """The first `count` that `choose` takes of each class.

    Args:
        choose: one of `CHOICES`.
        embedded: all images, (N, d).
    """
    return lambda members, label: members[choose(embedded[members], count)]


def herding(features: Tensor, count: int) -> Tensor:
    """Greedily keep the mean of what is chosen near the mean of all (Welling 2009): int64 (count,).

    Args:
        features: (n, d), n ≥ count.
    """
    wanted, total = features.double(), torch.zeros_like(features[0], dtype=torch.float64)
    mean, free = wanted.mean(0), torch.ones(len(features), dtype=torch.bool)
    chosen = []
    for size in range(1, count + 1):
        distances = ((total + wanted) / size - mean).square().sum(1)
        chosen.append(int(distances.where(free, torch.inf).argmin()))
        free[chosen[-1]] = False
        total += wanted[chosen[-1]]
    return torch.tensor(chosen)


def k_center(features: Tensor, count: int) -> Tensor:
    """The one nearest to the mean, then always the one farthest from those chosen (Sener & Savarese 2018).

    Args:
        features: (n, d), n ≥ count.

    Returns:
        int64 (count,).
    """
    points = features.double()
    chosen = [int((points - points.mean(0)).square().sum(1).argmin())]
    nearest = torch.full((len(points),), torch.inf, dtype=torch.float64)
    while len(chosen) < count:
        nearest = nearest.minimum((points - points[chosen[-1]]).square().sum(1))
        nearest[chosen[-1]] = -torch.inf  # never again, also where images are alike
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen)


def k_means(features: Tensor, count: int) -> Tensor:
    """The one nearest to each centre of k-means, that of most points first (the K-Center of Cui et al. 2022).

    Args:
        features: (n, d), n ≥ count.

    Returns:
        int64 (count,).
    """
    from sklearn.cluster import KMeans  # a second and more, which other jobs do without
    from threadpoolctl import threadpool_limits

    points = features.double()
    with threadpool_limits(1):  # the order of sums, so the choice, does not depend on threads
        means = KMeans(n_clusters=count, n_init=10, random_state=0).fit(points.numpy())
    by_size = np.bincount(means.labels_, minlength=count).argsort(kind="stable")[::-1]
    distances = torch.cdist(torch.from_numpy(means.cluster_centers_[by_size]), points)
    chosen = []
    for from_centre in distances:
        from_centre[chosen] = torch.inf  # never again, also where images are alike
        chosen.append(int(from_centre.argmin()))
    return torch.tensor(chosen)


CHOICES = {"herding": herding, "k-center": k_center, "k-means": k_means}
"""By the name that `matching.initial` gives."""


@torch.inference_mode()
def embed(network: nn.Module, images: Tensor) -> Tensor:
    """What the last linear layer of `network` sees of normalised images (N, C, H, W): (N, d), on the CPU."""
    return torch.cat([features(network, chunk).cpu() for chunk in chunks(network.eval(), images)])
