from functools import partial

import pytest
import torch
from helpers.tiny import TINY, labelled, normal

from benchmarks.plain import flat_parameters, forward
from seqmatch import config
from seqmatch.data.normalization import Standardization
from seqmatch.distillation.loop import undistilled
from seqmatch.distillation.soft_labels import mean_prediction
from seqmatch.matching.derivatives import Derivatives, classifier, eager
from seqmatch.matching.unrolled import Descent, adjoint, distance, one_graph
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.synthetic.subset import Subset, load_subset, save_subset

STATISTICS = Standardization(torch.tensor([0.4]), torch.tensor([0.2]))


def test_the_mean_of_what_networks_say():
    images, _ = labelled(per_class=1)
    networks = [build(TINY, (1, 8, 8), 3, Seed("n", index)) for index in range(3)]
    shares = mean_prediction(networks, images)
    expected = sum(
        network(images).detach().exp() / network(images).detach().exp().sum(1, keepdim=True) for network in networks
    )
    assert torch.allclose(shares, expected / 3, atol=1e-6) and torch.allclose(shares.sum(1), torch.ones(3))


def test_soft_labels_are_kept_and_learned_from(tmp_path):
    images, labels = labelled(per_class=1)
    shares = normal(3, 3).softmax(1)
    subset = Subset(images, labels, 0.1, soft_labels=shares)
    save_subset(tmp_path / "subset.safetensors", subset, subset, STATISTICS, {})
    loaded = load_subset(tmp_path / "subset.safetensors")
    assert torch.equal(loaded.soft_labels, shares) and torch.equal(loaded.labels, labels)
    (stage,) = make_curriculum([loaded], config.Evaluation())
    assert torch.equal(stage.labels, shares)

    save_snapshots(tmp_path / "snapshots.safetensors", undistilled(subset), {})
    assert torch.equal(load_snapshots(tmp_path / "snapshots.safetensors").subset(0).soft_labels, shares)


@pytest.mark.parametrize("way", ["graph", "adjoint"])
def test_students_learn_soft_labels_in_the_exact_gradient(way):
    """One step written out in float64: its gradient is linear in the shares of classes."""
    network = build(TINY, (1, 8, 8), 3, Seed("s")).double()
    student, start = classifier(network), flat_parameters(network)
    target = start + 0.1 * normal(len(start), name="t").double()
    images, shares = normal(4, 1, 8, 8).double(), normal(4, 3, name="l").double().softmax(1)
    match_by = {
        "graph": partial(one_graph, student),
        "adjoint": partial(adjoint, Derivatives(student.shapes, eager(student.loss), 3), 1),
    }
    match = match_by[way](
        start, distance(start, target), images, shares, [(lambda x: x, torch.arange(4))], Descent(0.05)
    )

    leaf = images.clone().requires_grad_()
    theta = start.clone().requires_grad_()
    value = -(shares * forward(network, theta, leaf).log_softmax(1)).sum(1).mean()
    (gradient,) = torch.autograd.grad(value, theta, create_graph=True)
    expected = ((theta - 0.05 * gradient - target) ** 2).sum() / ((start - target) ** 2).sum()
    assert match.loss == pytest.approx(expected.item(), rel=1e-12)
    (by_images,) = torch.autograd.grad(expected, leaf)
    assert (match.image_gradient - by_images).abs().max() < 1e-9 * by_images.abs().max()
