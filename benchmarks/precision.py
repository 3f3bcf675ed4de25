"""What rounding experts to half precision does to matching: `uv run python -m benchmarks.precision`.

Experts on scikit-learn's digits are stored in several ways; the same parts of trajectories are then matched from
each, and the matching loss and its gradient for the images are compared with those from full precision.
"""

from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from seqmatch import config, networks
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import digits
from seqmatch.distillation.coresets import random_order
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.trajectory import picks
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.match import Match
from seqmatch.matching.unrolled import Descent, distance, one_graph
from seqmatch.runtime.device import prepare as prepare_device
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import record_trajectories
from seqmatch.training.loop import Phase, Stage

EXPERTS, EPOCHS, PICKS, STEP_SIZE = 3, 16, 20, 0.05
NETWORK = config.Architecture(family="convnet", width=16, depth=2)
RECIPE = config.Experts(architecture="convnet", batch_size=64, learning_rate=0.05)
MATCHING = config.TrajectoryMatching(synthetic_steps=10, expert_epochs=2, max_start_epoch=14, experts_per_step=PICKS)

STORAGE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bfloat16": lambda start, now: now.bfloat16().float(),
    "float16": lambda start, now: now.half().float(),
    "float16 of the way from the start (ours)": lambda start, now: start + (now - start).half(),
}
"""The start and the present parameters of an expert to what a file in that precision gives back."""


def main() -> None:
    prepare_device(0, 1)
    data = prepare(digits(), config.Dataset(source="digits"), Seed("precision"))
    real, labels = data.split("train")
    stage = Stage(real, labels, RECIPE.learning_rate)
    members = [
        Member(
            partial(networks.build, NETWORK, data.shape, data.classes, Seed("precision", index)),
            [Phase(stage, EPOCHS, RECIPE, Seed("real", index))],
        )
        for index in range(EXPERTS)
    ]
    experts = record_trajectories(members, data.augmentation)
    stage, order = config.Coreset(initial_step_size=STEP_SIZE), random_order(Seed("precision", "images"))
    subset = initial_subset((real, labels), Part([2], 1), stage, order, Seed("precision"))
    student = classifier(networks.structure(NETWORK, data.shape, data.classes))

    def matches(stored: Callable[[Tensor, Tensor], Tensor]) -> list[Match]:
        results = []
        for pick in picks(Seed("picks"), EXPERTS, MATCHING, subset.labels, len(subset.labels), data.augmentation):
            path = experts[pick.expert]
            epochs = (pick.start_epoch, pick.start_epoch + MATCHING.expert_epochs)
            ends = [stored(path[0], path[epoch]) for epoch in epochs]
            asked = (ends[0], distance(*ends), subset.images, subset.labels, pick.batches, Descent(STEP_SIZE))
            results.append(one_graph(student, *asked))
        return results

    exact = matches(lambda start, now: now)
    rows = [{"stored as": name} | _differences(matches(stored), exact) for name, stored in STORAGE.items()]
    print(f"{PICKS} matches, mean matching loss {sum(match.loss for match in exact) / PICKS:.4f}; relative differences")
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".1e"))


def _differences(matches: list[Match], exact: list[Match]) -> dict[str, float]:
    pairs = list(zip(matches, exact, strict=True))
    losses = torch.tensor([abs(ours.loss - theirs.loss) / theirs.loss for ours, theirs in pairs])
    gradients = torch.tensor(
        [(ours.image_gradient - theirs.image_gradient).norm() / theirs.image_gradient.norm() for ours, theirs in pairs]
    )
    return {
        "loss, median": float(losses.median()),
        "loss, largest": float(losses.max()),
        "gradient, median": float(gradients.median()),
        "gradient, largest": float(gradients.max()),
    }


if __name__ == "__main__":
    main()
