"""What a subset starts from."""

from argparse import Namespace

import pytest
import torch
from distill_subset import check, clamp, make_initial
from helpers.calls import call
from helpers.files import ARCHITECTURE, write_all
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.config.methods import OBJECTIVES
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization, fit_whitening
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import SNAPSHOTS
from seqmatch.files.tensors import load_tensors
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset

MATCHING = '{"iterations": 4, "snapshots": 4, "real_batch": 2, "optimizer": "adam", "lr_images": 0.1}'


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


@pytest.fixture
def distil(tmp_path):
    """Calls the script on tiny data, with a name for what it writes."""
    write_all(tmp_path)
    about = ["--data", tmp_path / "data", "--architecture", ARCHITECTURE, "--compile", "never", "--dataset", "d"]
    about += ["--method", "dm", "--ipc", "1", "--seed", "0", "--subset", "1", "--subset-count", "1"]
    about += ["--objective", "distribution", "--checkpoints", tmp_path / "checkpoints"]

    def run(name, matching=MATCHING, **options):
        words = [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", value)]
        return call("distill_subset", *about, "--matching", matching, *words, "--out", tmp_path / name)

    return run


def test_rounds_of_one_subset_end_with_the_tensors_of_a_run_in_one_go(distil, tmp_path):
    assert distil("whole")[0] == 0
    before = {}
    for number, end in enumerate((0, 1, 3)):
        status, said = distil(f"state{number}", until=end, subset_out=tmp_path / f"s{number}", **before)
        assert status == 0, said
        assert torch.equal(load_subset(tmp_path / f"s{number}").labels, load_snapshots(tmp_path / "whole").labels)
        before = {"state": tmp_path / f"state{number}"}
    assert distil("rounds", **before)[0] == 0
    whole, rounds = (load_tensors(tmp_path / name, SNAPSHOTS)[0] for name in ("whole", "rounds"))
    assert whole.keys() == rounds.keys() and all(torch.equal(whole[name], rounds[name]) for name in whole)
    assert torch.equal(load_subset(tmp_path / "s1").images, whole["images"][1])


@pytest.mark.parametrize("other", ["snapshots", "data"])
def test_a_state_that_is_none_of_this_distillation_is_refused(distil, tmp_path, other):
    status, said = distil("rounds", state=tmp_path / other)
    assert status == 1 and f"{tmp_path / other}: another kind of file was expected" in said and "Traceback" not in said


def test_images_of_condensation_are_kept_where_standardised_real_ones_lie():
    images, labels = labelled()
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(12), "validation": torch.arange(0), "test": torch.arange(0)}
    standardised, whitened = (
        Dataset(pixels, labels, splits, ("a", "b", "c"), normalization, ("crop",))
        for normalization in (fit_standardization(pixels), fit_whitening(pixels, 0.1))
    )
    condensation, section = OBJECTIVES["condensation"], config.CondensationMatching()
    assert clamp(condensation, section, standardised) == standardised.normalization.clamp
    assert clamp(OBJECTIVES["gradient"], config.GradientMatching(), standardised) is None
    assert clamp(condensation, section, whitened) is None
    memories = section.model_copy(update={"parameterisation": "memories"})
    assert clamp(condensation, memories, standardised) is None
