"""What a synthetic set is fairly compared with."""

from argparse import Namespace
from functools import partial
from unittest import mock

import distill_subset
import evaluate_baselines
import pytest
import torch
from helpers.tiny import TINY, labelled, normal
from shared import compute

from seqmatch import config
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset
from seqmatch.training.experts import save_shard


@pytest.fixture
def job():
    images, labels = labelled(per_class=8)
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(24), "validation": torch.arange(0), "test": torch.arange(0)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ())
    return Namespace(dataset=dataset, device=torch.device("cpu"))


def arguments(**others):
    return Namespace(dataset="mine", ipc="5", seed=3, choosers=[], architecture=TINY, **others)


SUBSETS = [Subset(*labelled(per_class=size), rate) for size, rate in ((3, 0.1), (2, 0.02))]


def test_random_images_are_those_of_the_method_random_in_the_stages_and_at_the_step_sizes_of_the_set(job):
    """So that the improvement of `random` over random images is nothing, to the bit."""
    found = evaluate_baselines.random_images(arguments(), job, SUBSETS)
    for k, (subset, own) in enumerate(zip(found, SUBSETS, strict=True), start=1):
        args = Namespace(**vars(arguments()) | {"matching": config.Coreset(), "subset": k, "subset_count": 2})
        expected = distill_subset.make_initial(args, job, None)
        assert torch.equal(subset.images, expected.images) and torch.equal(subset.labels, expected.labels)
        assert subset.step_size == own.step_size and subset.soft_labels is None


def test_step_sizes_of_each_step_go_to_the_random_images_too(job):
    rates = torch.tensor([0.1, 0.3], dtype=torch.float64)
    (found,) = evaluate_baselines.random_images(arguments(), job, [Subset(*labelled(per_class=5), 0.2, rates=rates)])
    assert torch.equal(found.rates, rates) and found.step_size == 0.2


def test_experts_label_random_images_as_they_do_those_of_a_soft_method(job, tmp_path):
    numbers = sum(parameter.numel() for parameter in build(TINY, (1, 8, 8), 3, Seed("n")).parameters())
    save_shard(tmp_path / "e", [0.1 * normal(2, numbers, name=f"e{index}") for index in range(3)], {})
    args = arguments()
    args.choosers = [tmp_path / "e"]
    new_network = partial(build, TINY, (1, 8, 8), 3)
    with mock.patch.object(compute, "new_network", lambda args, job: new_network):
        first, second = evaluate_baselines.random_images(args, job, SUBSETS)
    assert first.soft_labels.shape == (9, 3) and second.soft_labels.shape == (6, 3)
    torch.testing.assert_close(first.soft_labels.sum(1), torch.ones(9))
    network, expected = new_network(Seed("n")).eval(), []
    for index in range(3):
        torch.nn.utils.vector_to_parameters(0.1 * normal(2, numbers, name=f"e{index}")[-1], network.parameters())
        expected.append(network(first.images).softmax(1))
    torch.testing.assert_close(first.soft_labels, torch.stack(expected).mean(0).detach())
