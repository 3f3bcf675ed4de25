"""What a subset starts from."""

from argparse import Namespace

import pytest
import torch
from distill_subset import check, make_initial
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization
from seqmatch.errors import SeqmatchError


def arguments(subset=1, seed=0, **matching):
    return Namespace(
        matching=config.GradientMatching(**matching),
        dataset="mine",
        ipc="3",
        seed=seed,
        subset=subset,
        subset_count=2,
        sizes=[],
        state=[],
        until=None,
        subset_out=None,
        prefix=[None] * (subset - 1),
        objective="gradient",
        experts=[],
        choosers=[],
    )


@pytest.fixture
def job():
    images, labels = labelled()
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(12), "validation": torch.arange(0), "test": torch.arange(0)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ())
    return Namespace(dataset=dataset, device=torch.device("cpu"))


def test_noise_takes_the_place_of_real_images_and_is_another_one_for_each_subset_and_seed(job):
    given = [arguments(**which, initial="noise") for which in ({}, {"subset": 2}, {"seed": 1})]
    real, *noisy = (make_initial(args, job, None) for args in (arguments(), *given))
    assert [check(args) for args in given] == [None] * 3  # it needs no experts
    assert torch.equal(noisy[0].labels, real.labels) and noisy[0].images.shape == real.images.shape
    values = torch.cat([subset.images.flatten() for subset in (real, *noisy)])
    assert len(values.unique()) >= sum(subset.images.numel() for subset in noisy)
    assert torch.equal(make_initial(given[0], job, None).images, noisy[0].images)


def test_images_that_experts_choose_need_them():
    with pytest.raises(SeqmatchError, match="--choosers: missing"):
        check(arguments(initial="k-center"))
