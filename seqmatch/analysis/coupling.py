"""Coupling (Du et al. 2023, figure 2): do the images that matching moves most teach as well as the others?

The amplification of a synthetic image x_i at the parameters θ is the Jacobian of the student's gradient with respect
to it, A_θ(x_i) = ∂∇_θ ℓ(θ, x_i)/∂x_i: how strongly matching moves it. The synthetic set is split by its norm in two
halves S⁺ and S⁻, and networks are trained on each.

The squared Frobenius norm has the unbiased estimate ‖A‖_F² = E‖Aᵀv‖² with v ~ N(0, I). One v serves all images of a
draw: images do not interact in Σ_i ⟨∇_θ ℓ(θ, x_i), v⟩, so that a single double backward pass gives every A_θ(x_i)ᵀv,
and each image's estimate is unbiased by itself.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from seqmatch import config
from seqmatch.analysis.evaluation import evaluate
from seqmatch.analysis.losses import check_finite, record_moments
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.derivatives import Loss, Parameters, classification_loss, eager
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.formation import decode
from seqmatch.synthetic.subset import Subset
from seqmatch.training.ensemble import Member, train_ensemble
from seqmatch.training.gradients import Gradients, eager_gradients
from seqmatch.training.loop import Labelled, NewNetwork, Position, Stage, make_phases


def measure_coupling(
    subsets: Sequence[Subset],
    test: Labelled,
    new_network: NewNetwork,
    settings: config.Evaluation,
    coupling: config.Coupling,
    augmentation: Sequence[str],
    seed: Seed,
    chunk: int,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Amplification and test accuracy of the half of a synthetic set that amplifies more, and of the other half.

    Networks for a half are trained as evaluation does it, through the curriculum of the half's images; networks of
    equal number share their random draws.

    Args:
        subsets: S_1 … S_K, on the device.
        settings: of evaluation; `coupling.networks` takes the place of its `networks`.
        chunk: images that a double backward pass takes at once.

    Returns:
        One row a half and network: `half` (larger or smaller), `network`, `images` (of the half), `amplification`
        (mean of the half's images), `accuracy` (percent).

    Raises:
        SeqmatchError: a class has fewer than two images, or a network diverged on the whole set.
    """
    checkpoint = checkpoint or NoCheckpoint()
    settings = settings.model_copy(update={"networks": coupling.networks})
    amplified = amplification(
        subsets,
        new_network,
        settings,
        coupling,
        augmentation,
        seed / "whole",
        chunk,
        gradients,
        checkpoint.part("amplification"),
    )
    labels = torch.cat([subset.labels for subset in subsets]).cpu()
    kept = dict(zip(("larger", "smaller"), halves(amplified, labels), strict=True))
    curricula = {name: restricted_curriculum(subsets, half, settings) for name, half in kept.items()}
    results = evaluate(curricula, test, new_network, settings, augmentation, seed / "halves", gradients, checkpoint)
    about = pd.DataFrame(
        {
            "images": {name: int(half.sum()) for name, half in kept.items()},
            "amplification": {name: float(amplified[half].mean()) for name, half in kept.items()},
        }
    )
    table = results.rename(columns={"selection": "half"}).join(about, on="half")
    return table[["half", "network", "images", "amplification", "accuracy"]]


def amplification(
    subsets: Sequence[Subset],
    new_network: NewNetwork,
    settings: config.Evaluation,
    coupling: config.Coupling,
    augmentation: Sequence[str],
    seed: Seed,
    chunk: int,
    gradients: Gradients = eager_gradients,
    checkpoint: Checkpoint | None = None,
) -> Tensor:
    """‖A_θ(x_i)‖_F of each image of S_1 ∪ … ∪ S_K, as the root of a mean square over θ and draws.

    For an image of S_k, θ are the parameters of `settings.networks` networks at the start and along stage k of an
    evaluation's training: where S_k was distilled. The images are not augmented.

    Returns:
        float32 (N,), on the CPU.

    Raises:
        SeqmatchError: a network diverged.
    """
    moments = {0} | record_moments(settings.epochs, coupling.records)

    def record(network: nn.Module, position: Position) -> Tensor | None:
        if position.epoch not in moments:
            return None
        check_finite(network)
        theta, own = list(network.parameters()), subsets[position.phase]
        here = seed / "directions" / position.phase / position.epoch
        directions = (random_direction(theta, here / draw) for draw in range(coupling.draws))
        loss = stored_loss(classification_loss(network), own.formation)
        stored = max(chunk // own.formation**2, 1)
        found = squared_amplification(loss, theta, own.images, stored_labels(own), directions, stored)
        return torch.cat([found if subset is own else torch.zeros(len(subset.labels)).to(found) for subset in subsets])

    phases = partial(make_phases, make_curriculum(subsets, settings), settings)
    members = [
        Member(partial(new_network, seed / index / "initial"), phases(seed / index))
        for index in range(settings.networks)
    ]
    trained = train_ensemble(members, record, augmentation, gradients, checkpoint or NoCheckpoint(), "amplification")
    total = torch.stack([found for member in trained for found in member.records]).sum(0)
    return (total / (settings.networks * len(moments))).sqrt()


def stored_loss(loss: Loss, formation: int) -> Loss:
    """The loss of stored images: that of an image is the sum over those that it holds; labels as `stored_labels`."""
    held = formation**2

    def of_stored(parameters: Parameters, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        return loss(parameters, decode(images, formation), labels.flatten(0, 1), weights.repeat_interleave(held))

    return of_stored


def stored_labels(subset: Subset) -> Tensor:
    """The labels that networks learn, by stored image: (n, formation²), or soft ones (n, formation², classes)."""
    return subset.decoded()[1].unflatten(0, (-1, subset.formation**2))


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
        directions: each one tensor a parameter.
        chunk: images that a double backward pass takes at once.

    Returns:
        (N,).
    """
    kernel, weights = eager(loss), images.new_ones(len(images))
    pieces = list(zip(*(tensor.split(chunk) for tensor in (images, labels, weights)), strict=True))
    products = [torch.cat([kernel.slope(theta, *piece, direction)[2] for piece in pieces]) for direction in directions]
    return torch.stack([product.flatten(1).square().sum(1) for product in products]).mean(0)


def random_direction(theta: Parameters, seed: Seed) -> Parameters:
    """v ~ N(0, I), like the parameters."""
    generator = seed.generator()
    return [torch.randn(parameter.shape, generator=generator).to(parameter, non_blocking=True) for parameter in theta]


def halves(amplified: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """S⁺ and S⁻: within each class, the images that amplify more and those that amplify less.

    Each half has every class, and as many images of it; of an odd number the middle one is in neither.

    Args:
        amplified: (N,).
        labels: (N,).

    Returns:
        Two boolean (N,).

    Raises:
        SeqmatchError: a class has fewer than two images.
    """
    larger, smaller = (torch.zeros(len(labels), dtype=torch.bool) for _ in range(2))
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().squeeze(1)
        half = len(members) // 2
        if not half:
            raise SeqmatchError(f"class {label} has a single synthetic image; two halves need an ipc of at least 2")
        ranked = members[amplified[members].argsort(descending=True, stable=True)]
        larger[ranked[:half]] = True
        smaller[ranked[-half:]] = True
    return larger, smaller


def restricted_curriculum(subsets: Sequence[Subset], kept: Tensor, settings: config.Evaluation) -> list[Stage]:
    """The curriculum of the images that are `kept` (boolean, over S_1 ∪ … ∪ S_K); a stage without any is left out."""
    pieces = kept.split([len(subset.labels) for subset in subsets])
    parts = [subset[piece] for subset, piece in zip(subsets, pieces, strict=True)]
    return [stage for stage in make_curriculum(parts, settings) if len(stage.labels)]
