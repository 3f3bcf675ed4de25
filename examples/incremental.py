"""Class-incremental learning: is a memory of distilled images better than one of random real images?

The digits arrive as five tasks of two classes, in an order that each seed draws. Of each class that has arrived only
its memory is kept: its images in a distilled set, or as many random real ones. After each task a new network learns
from the memory alone, as in GDumb (Prabhu et al. 2020), the protocol in which Zhao and Bilen (2023, DM) measure
distilled sets, and is tested on all classes that have arrived.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import common
import matplotlib.pyplot as plt
import numpy as np
import torch

import seqmatch

SETS = ["digits-seqmatch-mtt-ipc2", "digits-dm-ipc2"]
OUT = Path("results/examples/incremental.png")

PER_TASK = 2


def of_classes(distilled: seqmatch.Distilled, classes: torch.Tensor) -> seqmatch.Distilled:
    """The part of a set that shows some classes."""
    kept = [subset[torch.isin(subset.labels, classes)] for subset in distilled.subsets]
    return replace(distilled, subsets=tuple(kept))


def after_each_task(memory: seqmatch.Distilled, test: common.Labelled, seed: int) -> list[float]:
    """Percent of the test images of all classes seen so far that are classified correctly.

    Equal seeds have equal orders of classes, networks and draws, so that memories compare in pairs.
    """
    torch.set_num_threads(1)  # such small networks lose time with more
    images, labels = test
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    found = []
    for count in range(PER_TASK, len(order) + 1, PER_TASK):
        seen = order[:count]
        network = seqmatch.train(common.convnet(16, 2, "instance", "average", seed), of_classes(memory, seen), seed)
        tested = torch.isin(labels, seen)
        found.append(common.percent_correct(network, images[tested], labels[tested]))
    return found


def measure(sets: dict[str, seqmatch.Distilled], seeds: int, processes: int) -> dict[str, np.ndarray]:
    """Accuracies (seed, task) by the kind of memory.

    Each seed draws other random images. Networks learn from them as long as from the set of most stages.
    """
    longest = max(sets.values(), key=lambda distilled: len(distilled.subsets))
    data = common.load_digits(longest)
    memories = {"random": [common.random_set(longest, *data["train"], seed) for seed in range(seeds)]}
    memories |= {name: [distilled] * seeds for name, distilled in sets.items()}
    calls = [(memory, data["test"], seed) for of_seeds in memories.values() for seed, memory in enumerate(of_seeds)]
    found = np.array(common.in_processes(after_each_task, calls, processes))
    return dict(zip(memories, found.reshape(len(memories), seeds, -1), strict=True))


def draw(curves: dict[str, np.ndarray], out: Path) -> None:
    """Accuracy against the number of classes seen, a line for each memory, with confidence intervals."""
    figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
    for index, (name, values) in enumerate(curves.items()):
        classes = PER_TASK * np.arange(1, values.shape[1] + 1)
        apart = 0.12 * (index - 1)
        axes.errorbar(classes + apart, values.mean(axis=0), common.interval(values), marker="o", capsize=3, label=name)
    axes.set(xlabel="classes seen", ylabel="accuracy on them, %", xticks=classes)
    figure.legend(loc="outside upper center", ncols=len(curves), frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


def main(places: list[str], seeds: int, out: Path = OUT, processes: int = 2) -> None:
    start = perf_counter()
    sets = {place: common.load(place) for place in places}
    named = {common.name_of(distilled, place): distilled for place, distilled in sets.items()}
    curves = measure(named if len(named) == len(sets) else sets, seeds, processes)
    for name, values in curves.items():
        means = zip(values.mean(axis=0), common.interval(values), strict=True)
        print(f"{name}:", *(f"{mean:.1f} ± {half:.1f}" for mean, half in means))
        gain = values[:, -1] - curves["random"][:, -1]
        if name != "random":
            print(f"    over random after the last task: {gain.mean():+.1f} ± {common.interval(gain):.1f} points")
    draw(curves, out)
    print(f"{out}, after {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=SETS, help="of equal size: names of the index, folders or files")
    parser.add_argument("--seeds", **common.SEEDS, help="orders of the classes (default: %(default)s)")
    arguments = parser.parse_args()
    main(arguments.sets, arguments.seeds)
