"""Amplifications against exact Jacobians, halves, and what is trained on them."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.tiny import FOUR, TINY, labelled, normal
from torch.func import functional_call, grad, jacrev

from seqmatch import config
from seqmatch.analysis.coupling import (
    amplification,
    halves,
    measure_coupling,
    random_direction,
    restricted_curriculum,
    squared_amplification,
    stored_labels,
    stored_loss,
)
from seqmatch.analysis.evaluation import evaluate
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import classification_loss
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.formation import decode
from seqmatch.synthetic.subset import Subset
from seqmatch.training.learner import Learner
from seqmatch.training.loop import make_phases, train

SETTINGS = config.Evaluation(epochs=6)
COUPLING = config.Coupling(networks=2, records=2, draws=3)
NEW_NETWORK = partial(build, TINY, (1, 8, 8), 3)
LEARNER = Learner(NEW_NETWORK, SETTINGS, ["crop"])


def exact_jacobians(network, images, labels):
    """A_θ(x_i) of each image as one matrix (parameters, pixels), each image alone in its batch."""

    def gradient(image, label):
        def loss(parameters):
            logits = functional_call(network, parameters, (image[None],))
            return torch.nn.functional.cross_entropy(logits, label[None])

        parts = grad(loss)(dict(network.named_parameters()))
        return torch.cat([parts[name].flatten() for name, _ in network.named_parameters()])

    return torch.stack(
        [jacrev(gradient)(image, label).flatten(1) for image, label in zip(images, labels, strict=True)]
    ).detach()


@pytest.fixture(scope="module")
def case():
    network = build(TINY, (1, 8, 8), 3, Seed("a")).double()
    images, labels = labelled(per_class=2)
    return network, images.double(), labels, exact_jacobians(network, images.double(), labels)


def estimate(case, directions, chunk):
    network, images, labels, _ = case
    theta = list(network.parameters())
    return squared_amplification(classification_loss(network), theta, images, labels, directions, chunk)


@pytest.mark.parametrize("chunk", [6, 4])
def test_a_draw_is_the_jacobians_product_with_it(case, chunk):
    network, *_, jacobians = case
    direction = random_direction(list(network.parameters()), Seed("v"))
    vector = torch.cat([part.flatten() for part in direction])
    exact = torch.einsum("npx,p->nx", jacobians, vector).square().sum(1)
    torch.testing.assert_close(estimate(case, [direction], chunk), exact, rtol=1e-9, atol=0)


@pytest.mark.parametrize("soft", [False, True])
def test_a_stored_image_amplifies_as_the_images_that_it_holds(case, soft):
    """Against autograd through the sum of their losses, one stored image alone."""
    network, images, labels, _ = case
    shares = normal(24, 3, name="shares", dtype=torch.float64).softmax(1) if soft else None
    subset = Subset(images, labels, 0.1, FOUR, shares)
    theta = list(network.parameters())
    direction = random_direction(theta, Seed("v"))
    loss = stored_loss(classification_loss(network), subset)
    estimates = squared_amplification(loss, theta, subset.images, stored_labels(subset), [direction], 4)
    for index in range(6):
        stored = images[[index]].clone().requires_grad_()
        targets = subset.decoded()[1][4 * index : 4 * index + 4]
        value = torch.nn.functional.cross_entropy(network(decode(stored, 2)), targets, reduction="sum")
        gradients = torch.autograd.grad(value, theta, create_graph=True)
        slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
        exact = torch.autograd.grad(slope, stored)[0].square().sum()
        torch.testing.assert_close(estimates[index], exact, rtol=1e-9, atol=0)


def test_unit_directions_add_up_to_the_squared_norm(case):
    """‖A‖_F² = Σ_p ‖Aᵀe_p‖²: over a whole basis the estimator is exact."""
    network, *_, jacobians = case
    theta = list(network.parameters())
    count = sum(parameter.numel() for parameter in theta)
    basis = [
        [part.view_as(p) for part, p in zip(unit.split([p.numel() for p in theta]), theta, strict=True)]
        for unit in torch.eye(count, dtype=torch.float64)
    ]
    exact = jacobians.square().sum((1, 2))
    torch.testing.assert_close(estimate(case, basis, 6) * count, exact, rtol=1e-9, atol=0)


def test_the_mean_of_draws_converges_to_the_squared_norm(case):
    network, *_, jacobians = case
    theta = list(network.parameters())
    exact = jacobians.square().sum((1, 2))
    gram = jacobians @ jacobians.mT  # Var ‖Aᵀv‖² = 2 ‖AAᵀ‖_F²
    for draws in (50, 800):
        mean = estimate(case, (random_direction(theta, Seed("v") / i) for i in range(draws)), 6)
        error = (2 * gram.square().sum((1, 2)) / draws).sqrt()
        assert ((mean - exact).abs() < 3 * error).all()
    assert (error < 0.15 * exact).all()


def test_amplification_is_averaged_over_networks_and_moments_of_the_images_own_stage():
    subsets = [Subset(*labelled(per_class=count, name=name), 0.05) for count, name in ((2, "a"), (1, "b"))]
    norms = amplification(subsets, LEARNER, COUPLING, 3, Seed("s"))
    squares = [[], []]
    for index in range(2):
        network = NEW_NETWORK(Seed("s") / index / "initial")
        phases = make_phases(make_curriculum(subsets, SETTINGS), SETTINGS, Seed("s") / index)
        for position in train(network, phases, ["crop"]):
            if position.epoch in (0, 3, 6):
                theta, subset = list(network.parameters()), subsets[position.phase]
                here = Seed("s") / "directions" / position.phase / position.epoch
                directions = [random_direction(theta, here / draw) for draw in range(3)]
                loss = classification_loss(network)
                squares[position.phase].append(
                    squared_amplification(loss, theta, subset.images, subset.labels, directions, 3)
                )
    expected = torch.cat([torch.stack(of_stage).mean(0).sqrt() for of_stage in squares])
    torch.testing.assert_close(norms, expected)


def test_halves_have_every_class_and_leave_out_the_middle():
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    norms = torch.tensor([1.0, 3.0, 2.0, 9.0, 6.0, 7.0, 8.0, 5.0, 5.0])
    larger, smaller = halves(norms, labels)
    assert larger.nonzero().flatten().tolist() == [1, 3, 6, 7]
    assert smaller.nonzero().flatten().tolist() == [0, 4, 5, 8]


def test_a_class_of_one_image_is_refused():
    with pytest.raises(SeqmatchError, match="class 1 has a single synthetic image"):
        halves(torch.ones(3), torch.tensor([0, 0, 1]))


def test_a_half_is_learned_stage_by_stage_and_as_long_as_the_other():
    subsets = [Subset(*labelled(per_class=1, name=name), step) for name, step in (("a", 0.1), ("b", 0.2))]
    mask = torch.tensor([True, False, False, False, True, True])
    first, second = restricted_curriculum(subsets, mask, SETTINGS)
    assert first.labels.tolist() == [0] and second.labels.tolist() == [0, 1, 2]
    assert torch.equal(second.images[1:], subsets[1].images[1:])
    for stage in restricted_curriculum(subsets, torch.arange(6) > 2, SETTINGS):
        assert torch.equal(stage.images, subsets[1].images) and stage.step_size == 0.2
    alone = SETTINGS.model_copy(update={"curriculum": "subset"})
    first, second = restricted_curriculum(subsets, torch.arange(6) < 3, alone)
    assert torch.equal(first.images, subsets[0].images) and second is first


def test_the_table_holds_the_accuracies_that_evaluation_gives_the_halves():
    subsets = [Subset(*labelled(per_class=2, name=name), 0.05) for name in "ab"]
    test = normal(60, 1, 8, 8, name="t"), torch.arange(60) % 3
    table = measure_coupling(subsets, test, LEARNER, COUPLING, 12, Seed("c"))
    assert table["half"].tolist() == ["larger"] * 2 + ["smaller"] * 2 and (table["images"] == 6).all()
    norms = amplification(subsets, LEARNER, COUPLING, 12, Seed("c") / "whole")
    labels = torch.cat([subset.labels for subset in subsets])
    masks = dict(zip(("larger", "smaller"), halves(norms, labels), strict=True))
    curricula = {name: restricted_curriculum(subsets, mask, SETTINGS) for name, mask in masks.items()}
    two = replace(LEARNER, settings=SETTINGS.model_copy(update={"networks": 2}))
    expected = evaluate(curricula, test, two, Seed("c") / "halves")
    assert table["accuracy"].tolist() == expected["accuracy"].tolist()
    means = table.groupby("half")["amplification"].first()
    assert means["larger"] == pytest.approx(float(norms[masks["larger"]].mean()))
    assert means["larger"] > means["smaller"]
