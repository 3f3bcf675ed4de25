"""Architecture search: does a distilled set rank architectures as all data do, in less time?

Each of 24 small ConvNets learns from the distilled set, from as many random real images, and from all training images.
A small set ranks them by their accuracy on the validation images, as a search would; Spearman's ρ compares this with
their accuracy on the test images after training on all data. Zhao, Mopuri and Bilen (2021, DC) searched 720 ConvNets
in this way.
"""

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter

import common
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.stats import spearmanr

import seqmatch
from seqmatch.synthetic.subset import Subset

SET = "digits-seqmatch-mtt-ipc2"
OUT = Path("results/examples/search.png")

ARCHITECTURES = list(product((4, 16), (1, 2), common.NORMS, common.POOLINGS))
"""Width, depth, norm and pooling."""

EPOCHS = 50
"""On each stage of a small set: a third of the protocol's, since a search needs the order, not the accuracy itself."""

SEEDS_OF_ALL = 2
"""Networks of each architecture that learn from all data, which takes most of the time."""


def trained(architecture: tuple, training: seqmatch.Distilled, held_out: tuple, seed: int) -> tuple[float, float]:
    """Seconds that a network learned, and the percent of held-out images that it classifies correctly then."""
    torch.set_num_threads(1)  # such small networks lose time with more
    start = perf_counter()
    network = seqmatch.train(common.convnet(*architecture, seed), training, seed)
    return perf_counter() - start, common.percent_correct(network, *held_out)


def lasting(distilled: seqmatch.Distilled, **settings: int) -> seqmatch.Distilled:
    """The same set with other settings of how networks learn from it."""
    return replace(distilled, evaluation=distilled.evaluation.model_copy(update=settings))


def measure(distilled: seqmatch.Distilled, seeds: int, processes: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Seconds and accuracies, each (seed, architecture), by what the networks learned from."""
    data = common.load_digits(distilled)
    everything = replace(distilled, subsets=(Subset(*data["train"], step_size=0.05),))
    everything = lasting(everything, epochs=20, batch_size=64)  # the default experiment's `whole`
    short = lasting(distilled, epochs=EPOCHS)
    trainings = {
        "all": ([everything] * SEEDS_OF_ALL, data["test"]),
        "distilled": ([short] * seeds, data["validation"]),
        "random": ([common.random_set(short, *data["train"], seed) for seed in range(seeds)], data["validation"]),
    }
    found = {}
    for name, (sets, held_out) in trainings.items():
        calls = [(each, a_set, held_out, seed) for seed, a_set in enumerate(sets) for each in ARCHITECTURES]
        results = np.array(common.in_processes(trained, calls, processes)).reshape(len(sets), len(ARCHITECTURES), 2)
        found[name] = tuple(np.moveaxis(results, -1, 0))
        print(f"{name}: {len(calls)} networks, {found[name][0].mean():.2f} s each", flush=True)
    return found


def correlations(small: np.ndarray, everything: np.ndarray) -> np.ndarray:
    """ρ of each seed's ranking by a small set with the ranking by all data."""
    return np.array([spearmanr(accuracies, everything.mean(axis=0)).statistic for accuracies in small])


def draw(found: dict[str, tuple[np.ndarray, np.ndarray]], out: Path) -> None:
    """A panel for each small set, a point for each architecture: mean errors over seeds, on logarithmic axes."""
    figure, panels = plt.subplots(1, 2, figsize=(6.5, 3), layout="constrained", sharey=True)
    everything = found["all"][1]
    for panel, name in zip(panels, ("distilled", "random"), strict=True):
        small = found[name][1]
        for norm, marker in zip(common.NORMS, "os^", strict=True):
            of_norm = [architecture[2] == norm for architecture in ARCHITECTURES]
            errors = (100 - accuracies.mean(axis=0)[of_norm] for accuracies in (small, everything))
            panel.loglog(*errors, marker, label=norm, alpha=0.7)
        rho = correlations(small, everything)
        panel.set(title=f"ρ = {rho.mean():.2f} ± {common.interval(rho):.2f}", xlabel=f"error after {name} images, %")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_formatter=NullFormatter())
    panels[0].set_ylabel("error after all images, %")
    panels[0].legend(title="norm", frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


def main(place: str, seeds: int, out: Path = OUT, processes: int = 2) -> None:
    start = perf_counter()
    found = measure(common.load(place), seeds, processes)
    seconds, everything = found.pop("all")
    final = everything.mean(axis=0)
    better = final > np.median(final)
    print(f"ρ of two rankings by all data: {spearmanr(*everything[:2]).statistic:.2f}")
    print(f"accuracy after all data: mean {final.mean():.1f} %, best {final.max():.1f} %")
    for name, (spent, small) in found.items():
        rho, faster = correlations(small, everything), seconds.mean() / spent.mean()
        print(f"{name}: ρ = {rho.mean():.2f} ± {common.interval(rho):.2f}, {faster:.1f} times faster")
        print(f"    in the better half alone: ρ = {correlations(small[:, better], everything[:, better]).mean():.2f}")
        print(f"    the network that it ranks first: {final[small.argmax(axis=1)].mean():.1f} % after all data")
    gain = correlations(found["distilled"][1], everything) - correlations(found["random"][1], everything)
    print(f"distilled over random: {gain.mean():+.2f} ± {common.interval(gain):.2f}")
    draw({"all": (seconds, everything), **found}, out)
    print(f"{out}, after {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", nargs="?", default=SET, help="name of the index, folder or file (default: %(default)s)")
    parser.add_argument("--seeds", **common.SEEDS, help="of the small sets (default: %(default)s)")
    arguments = parser.parse_args()
    main(arguments.set, arguments.seeds)
