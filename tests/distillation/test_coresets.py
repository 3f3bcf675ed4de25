import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.tiny import ROOT, TINY, labelled, normal
from torch import nn

from seqmatch.distillation.coresets import CHOICES, coreset_order, embed, herding, k_center, k_means, random_order
from seqmatch.networks import build
from seqmatch.seeds import Seed


def test_herding_against_trying_every_candidate():
    features = normal(30, 4)
    points, choice = features.double().numpy(), []
    for _ in range(6):
        errors = {
            i: np.linalg.norm(points[[*choice, i]].mean(0) - points.mean(0)) for i in range(30) if i not in choice
        }
        choice.append(min(errors, key=errors.get))
    assert herding(features, 6).tolist() == choice


def test_herding_comes_nearer_to_the_mean_than_chance():
    features = normal(200, 8)

    def error(index):
        return float((features[index].mean(0) - features.mean(0)).norm())

    chance = [error(random_order(Seed("r", i))(torch.arange(200), 0)[:10]) for i in range(50)]
    assert error(herding(features, 10)) < min(chance)


def test_k_center_against_all_distances():
    features = normal(30, 4)
    points = features.double().numpy()
    centers = [int(np.linalg.norm(points - points.mean(0), axis=1).argmin())]
    while len(centers) < 6:
        distances = np.linalg.norm(points[:, None] - points[None, centers], axis=2).min(1)
        centers.append(int(distances.argmax()))
    assert k_center(features, 6).tolist() == centers


def test_k_means_takes_the_middle_of_each_cluster_the_largest_first():
    clusters = [normal(size, 2, name=str(size)) for size in (5, 9, 3)]
    middles = [int((points - points.mean(0)).square().sum(1).argmin()) for points in clusters]
    places = torch.tensor([[40.0, 0], [0, 40], [-40, -40]])
    features = torch.cat([points + place for points, place in zip(clusters, places, strict=True)])
    assert k_means(features, 3).tolist() == [5 + middles[1], middles[0], 14 + middles[2]]


def test_k_means_of_one_is_the_image_nearest_to_the_mean():
    features = normal(30, 4)
    assert k_means(features, 1).tolist() == herding(features, 1).tolist() == k_center(features, 1).tolist()


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("name", CHOICES)
def test_no_image_is_chosen_twice_even_if_all_are_alike(name):
    assert sorted(CHOICES[name](torch.ones(5, 3), 5).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", CHOICES)
def test_a_class_chooses_among_its_own(name):
    features, members = normal(20, 3), torch.arange(1, 20, 2)
    order = coreset_order(CHOICES[name], features, 4)(members, 1)
    assert len(order) == 4 and set(order.tolist()) <= set(members.tolist())
    assert order.tolist() == members[CHOICES[name](features[members], 4)].tolist()


def test_random_order_is_a_permutation_that_depends_on_seed_and_class():
    members = torch.arange(10, 30)
    first, again, other = (random_order(Seed("r"))(members, label) for label in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first.sort().values, members)


def test_embedding_is_what_the_head_sees():
    network, (images, _) = build(TINY, (1, 8, 8), 3, Seed("n")), labelled()
    head = network[-1]
    assert isinstance(head, nn.Linear)
    features = embed(network, images)
    assert features.shape == (12, head.in_features)
    with torch.no_grad():
        assert torch.allclose(head(features), network(images), atol=1e-6)


def test_jobs_that_do_not_cluster_do_not_wait_for_scikit_learn():
    code = "import sys, seqmatch.distillation.coresets; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
