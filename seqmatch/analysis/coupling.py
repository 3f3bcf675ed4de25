"""Coupling (Du et al. 2023, figure 2): do the images that matching moves most teach as well as the others?

The amplification of a synthetic image x_i at the parameters θ is the Jacobian of the student's gradient with respect
to it, A_θ(x_i) = ∂∇_θ ℓ(θ, x_i)/∂x_i: how strongly matching moves it. The synthetic set is split by its norm in two
halves S⁺ and S⁻, and networks are trained on each.

The squared Frobenius norm has the unbiased estimate ‖A‖_F² = E‖Aᵀv‖² with v ~ N(0, I). One v serves all images of a
draw: images do not interact in Σ_i ⟨∇_θ ℓ(θ, x_i), v⟩, so that a single double backward pass gives every A_θ(x_i)ᵀv,
and each image's estimate is unbiased by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.analysis.evaluation import evaluate
from seqmatch.analysis.losses import check_finite
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import Loss, Parameters, classification_loss, eager
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import even_moments
from seqmatch.synthetic.subset import Subset
from seqmatch.training.classes import by_class
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Labelled, Position, Stage


def measure_coupling(
    subsets: Sequence[Subset],
    test: Labelled,
    learner: Learner,
    coupling: config.Coupling,
    chunk: int,
    seed: Seed,
) -> pd.DataFrame:
    """Amplification and test accuracy of the half of a synthetic set that amplifies more, and of the other half.

    Networks for a half are trained as evaluation does it, through the curriculum of the half's images; networks of
    equal number share their random draws.

    Args:
        subsets: S_1 … S_K, on the device.
        coupling: how much to measure; its `networks` takes the place of `learner.settings.networks`.
        chunk: images per double backward pass.

    Returns:
        One row per half and network: `half` (larger or smaller), `network`, `images` (of the half), `amplification`
        (mean of the half's images), `accuracy` (percent).

    Raises:
        SeqmatchError: a class has fewer than two images, or a network diverged on the whole set.
    """
    norms = amplification(subsets, learner.part("amplification"), coupling, chunk, seed / "whole")
    labels = torch.cat([subset.labels for subset in subsets]).cpu()
    masks = dict(zip(("larger", "smaller"), halves(norms, labels), strict=True))
    settings = learner.settings.model_copy(update={"networks": coupling.networks})
    curricula = {name: restricted_curriculum(subsets, mask, settings) for name, mask in masks.items()}
    results = evaluate(curricula, test, replace(learner, settings=settings), seed / "halves")
    about = pd.DataFrame(
        {
            "images": {name: int(mask.sum()) for name, mask in masks.items()},
            "amplification": {name: float(norms[mask].mean()) for name, mask in masks.items()},
        }
    )
    table = results.rename(columns={"selection": "half"}).join(about, on="half")
    return table[["half", "network", "images", "amplification", "accuracy"]]


def amplification(
    subsets: Sequence[Subset], learner: Learner, coupling: config.Coupling, chunk: int, seed: Seed
) -> Tensor:
    """‖A_θ(x_i)‖_F of each image of S_1 ∪ … ∪ S_K, as the root of a mean square over θ and draws.

    For an image of S_k, θ are the parameters of `coupling.networks` networks at the start and along stage k of an
    evaluation's training: where S_k was distilled. The images are not augmented.

    Returns:
        float32 (N,), on the CPU.

    Raises:
        SeqmatchError: a network diverged.
    """
    moments = {0} | even_moments(learner.settings.epochs, coupling.records)

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.epoch not in moments:
            return None
        check_finite(network)
        here = seed / "directions" / position.phase / position.epoch
        seeds = [here / draw for draw in range(coupling.draws)]
        squares = _stored_amplification(network, subsets[position.phase], chunk, seeds)
        zeros = [torch.zeros(len(subset.labels)).to(squares) for subset in subsets]
        return torch.cat([*zeros[: position.phase], squares, *zeros[position.phase + 1 :]])

    curriculum = make_curriculum(subsets, learner.settings)
    members = [learner.member(curriculum, seed / index) for index in range(coupling.networks)]
    trained = learner.train(members, record, "amplification")
    total = torch.stack([squares for member in trained for squares in member.records]).sum(0)
    return (total / (coupling.networks * len(moments))).sqrt()


def _stored_amplification(network: nn.Module, subset: Subset, chunk: int, seeds: Sequence[Seed]) -> Tensor:
    """`squared_amplification` of the stored images of a subset, over a direction per seed."""
    theta = list(network.parameters())
    directions = (random_direction(theta, seed) for seed in seeds)
    loss = stored_loss(classification_loss(network), subset)
    stored_chunk = max(chunk // subset.parameterisation.held, 1)
    return squared_amplification(loss, theta, subset.images, stored_labels(subset), directions, stored_chunk)


def stored_loss(loss: Loss, subset: Subset) -> Loss:
    """The loss of stored images: that of one is the sum over the images that it holds; labels as `stored_labels`."""
    parameterisation, held = subset.parameterisation, subset.parameterisation.held

    def of_stored(parameters: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        return loss(
            parameters,
            parameterisation.decode(images, subset.decoder),
            labels.flatten(0, 1),
            weights.repeat_interleave(held),
        )

    return of_stored


def stored_labels(subset: Subset) -> Tensor:
    """The labels that networks learn, by stored image: (n, held), or soft ones (n, held, classes)."""
    return subset.decoded()[1].unflatten(0, (-1, subset.parameterisation.held))


def squared_amplification(
    loss: Loss,
    theta: Parameters,
    images: Tensor,
    labels: Tensor,
    directions: Iterable[Parameters],
    chunk: int,
) -> Tensor:
    """‖A_θ(x_i)ᵀv‖² of each image, averaged over directions v: with v ~ N(0, I), unbiased for ‖A_θ(x_i)‖_F².

    Args:
        images: normalised, (N, C, H, W).
        labels: (N, …), as `loss` takes them.
        directions: one tensor per parameter each.
        chunk: images per double backward pass.

    Returns:
        (N,).
    """
    kernel, weights = eager(loss), images.new_ones(len(images))
    chunks = list(zip(*(tensor.split(chunk) for tensor in (images, labels, weights)), strict=True))
    products = [torch.cat([kernel.slope(theta, *part, direction)[2] for part in chunks]) for direction in directions]
    return torch.stack([product.flatten(1).square().sum(1) for product in products]).mean(0)


def random_direction(theta: Parameters, seed: Seed) -> Parameters:
    """v ~ N(0, I), like the parameters."""
    generator = seed.generator()
    return [torch.randn(parameter.shape, generator=generator).to(parameter, non_blocking=True) for parameter in theta]


def halves(norms: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """S⁺ and S⁻: within each class, the images that amplify more and those that amplify less.

    Each half has every class, and as many images of it; of an odd number the middle one is in neither.

    Args:
        norms: ‖A_θ(x_i)‖_F of each image, (N,).
        labels: their classes, (N,).

    Returns:
        Two boolean (N,).

    Raises:
        SeqmatchError: a class has fewer than two images.
    """
    larger, smaller = (torch.zeros(len(labels), dtype=torch.bool) for _ in range(2))
    for label, indices in by_class(labels).items():
        half = len(indices) // 2
        if not half:
            raise SeqmatchError(f"class {label} has a single synthetic image; two halves need an ipc of at least 2")
        order = indices[norms[indices].argsort(descending=True, stable=True)]
        larger[order[:half]] = True
        smaller[order[-half:]] = True
    return larger, smaller


def restricted_curriculum(subsets: Sequence[Subset], mask: Tensor, settings: config.Evaluation) -> list[Stage]:
    """The curriculum of the images under `mask` (boolean, over S_1 ∪ … ∪ S_K), of as many stages as there are subsets.

    In place of a stage without images stands the next one that has some, or else the last one: networks of both halves
    learn for as long.
    """
    masks = mask.split([len(subset.labels) for subset in subsets])
    parts = [subset[part_mask] for subset, part_mask in zip(subsets, masks, strict=True)]
    stages = make_curriculum(parts, settings)
    filled = [stage for stage in stages if len(stage.labels)]
    return [next((later for later in stages[k:] if len(later.labels)), filled[-1]) for k in range(len(stages))]
