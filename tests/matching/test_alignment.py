"""CAFE's loss and its gradient, against the formula written out."""

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import TINY, labelled, normal

from seqmatch.matching.alignment import class_means, match_alignment
from seqmatch.matching.distribution import match_distribution
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.transforms import dsa

WEIGHTS, DISCRIMINATION = (0.1, 1.0, 2.0), 0.01


@pytest.fixture
def problem():
    """A network, real images (3, 5, …), synthetic ones of two subsets, and the indices of each class."""
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, _ = labelled(per_class=5, name="real")
    images, labels = labelled(per_class=2)
    images, labels = images.double()[[0, 2, 4, 1, 3, 5]], labels[[0, 2, 4, 1, 3, 5]]
    members = torch.stack([(labels == label).nonzero().squeeze(1) for label in range(3)])
    return network, real.double().unflatten(0, (3, 5)), images, members


def written_out(network, real, images, members, weights=WEIGHTS, discrimination=DISCRIMINATION):
    """Class by class, each layer by hand."""

    def layers(x):
        found = []
        for module in list(network)[:-1]:
            x = module(x)
            found += [x.clone()] if isinstance(module, torch.nn.ReLU) else []
        return [*found, x]

    loss, centres = 0.0, []
    for label in range(3):
        *pairs, last = zip(layers(real[label]), layers(images[members[label]]), strict=True)
        for weight, (a, b) in zip(weights, [*pairs, last], strict=True):
            loss = loss + weight * ((a.mean(0) - b.mean(0)) ** 2).sum()
        centres.append(last[1].mean(0))
    for label in range(3):
        for feature in layers(real[label])[-1]:
            logits = torch.stack([feature @ centre for centre in centres])
            loss = loss + discrimination * F.cross_entropy(logits[None], torch.tensor([label]))
    return loss


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_loss_and_gradient_against_the_formula_in_chunks_of_any_size(problem, chunk):
    network, real, images, members = problem
    match = match_alignment(network, real, images, members, lambda x: x, WEIGHTS, DISCRIMINATION, chunk)
    leaf = images.clone().requires_grad_()
    loss = written_out(network, real, leaf, members)
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert match.loss == pytest.approx(loss.item(), rel=1e-12) and match.step_size_gradient == 0
    assert (match.image_gradient - gradient).abs().max() < 1e-12 * gradient.abs().max()


def test_gradient_against_finite_differences(problem):
    network, real, images, members = problem
    drawn = dsa.draw(["rotate"], 1, Seed("a").generator())

    def match(x):
        view = lambda x: dsa.apply(drawn, x)  # noqa: E731
        return match_alignment(network, real, x, members, view, WEIGHTS, 0.5, 4)

    direction, step = normal(*images.shape, name="d").double(), 1e-5
    slope = (match(images + step * direction).loss - match(images - step * direction).loss) / (2 * step)
    assert float((match(images).image_gradient * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_with_the_features_alone_it_is_the_match_of_distributions(problem):
    network, real, images, members = problem
    labels = torch.empty(6, dtype=torch.int64)
    labels[members.flatten()] = torch.arange(3).repeat_interleave(2)
    drawn = dsa.draw(["scale"], 1, Seed("a").generator())

    def view(x):
        return dsa.apply(drawn, x)

    seen = view(real.flatten(0, 1)).unflatten(0, real.shape[:2])
    match = match_alignment(network, seen, images, members, view, (0, 0, 1), 0.0, 4)
    real_labels = torch.arange(3).repeat_interleave(5)
    other = match_distribution(network, real.flatten(0, 1), real_labels, images, labels, view, 15)
    assert match.loss == pytest.approx(other.loss, rel=1e-12)
    assert (match.image_gradient - other.image_gradient).abs().max() < 1e-12 * other.image_gradient.abs().max()


def test_the_gradient_of_discrimination_is_the_closed_form(problem):
    """Of a synthetic mean it is Σ_i (softmax(O_i) − 1[class of i])_c F_i; an image's features have a share of it."""
    network, real, images, members = problem
    match = match_alignment(network, real, images, members, lambda x: x, (0, 0, 0), 1.0, 100)
    body = network[:-1]
    centres = torch.stack([body(images[index]).mean(0) for index in members]).detach()
    features = body(real.flatten(0, 1)).detach()
    excess = (features @ centres.T).softmax(1) - F.one_hot(torch.arange(3).repeat_interleave(5), 3)
    slopes = excess.T @ features
    leaf = images.clone().requires_grad_()
    along = sum((body(leaf[index]) * slope).sum() / 2 for index, slope in zip(members, slopes, strict=True))
    (expected,) = torch.autograd.grad(along, leaf)
    assert (match.image_gradient - expected).abs().max() < 1e-12 * expected.abs().max()


def test_equal_images_match_perfectly(problem):
    network, _, images, members = problem
    assert match_alignment(network, images[members], images, members, lambda x: x, WEIGHTS, 0.0, 4).loss < 1e-24


def test_real_images_leave_no_graph(problem):
    network, real, _, _ = problem
    with torch.no_grad():
        means, features = class_means(network, real.flatten(0, 1), 5, 4)
    assert [mean.shape for mean in means] == [(3, 256), (3, 64), (3, 16)] and features.shape == (15, 16)
    assert not any(tensor.requires_grad for tensor in (*means, features))
