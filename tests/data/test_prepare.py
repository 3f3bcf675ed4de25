import numpy as np
import pytest
import torch
from helpers.tiny import normal
from sklearn.datasets import load_digits

from seqmatch import config
from seqmatch.data import normalization
from seqmatch.data.dataset import check_classes, load, save
from seqmatch.data.images import RawImages
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import digits
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed

DIGITS = config.Dataset(source="digits", augmentation=["crop"])


def some_images(count=40, channels=3, size=5):
    return (normal(count, channels, size, size) * 60 + 120).clamp(0, 255).to(torch.uint8)


def test_digits_are_scikit_learns():
    raw, bunch = digits(), load_digits()
    assert raw.images.shape == (1797, 1, 8, 8) and raw.images.dtype == torch.uint8
    assert np.abs(raw.images[:, 0].numpy() / 255 * 16 - bunch.images).max() < 0.04
    assert raw.labels.tolist() == bunch.target.tolist()
    assert raw.class_names == tuple("0123456789")


def test_splits_are_disjoint_complete_and_stratified():
    dataset = prepare(digits(), DIGITS, Seed("p"))
    together = torch.cat(list(dataset.splits.values()))
    assert torch.equal(together.sort().values, torch.arange(1797))
    assert {name: len(index) for name, index in dataset.splits.items()} == {
        "train": 1212,
        "validation": 135,
        "test": 450,
    }
    for index in dataset.splits.values():
        share = dataset.labels[index].bincount() / len(index)
        assert (share - dataset.labels.bincount() / 1797).abs().max() < 0.01


def test_splits_depend_on_the_seed_alone():
    one, two, other = (prepare(digits(), DIGITS, Seed(name)) for name in ("p", "p", "q"))
    assert torch.equal(one.splits["test"], two.splits["test"])
    assert not torch.equal(one.splits["test"], other.splits["test"])


def test_without_validation_nothing_is_held_out_of_training():
    dataset = prepare(digits(), config.Dataset(source="digits", validation_fraction=0.0), Seed("p"))
    assert len(dataset.splits["validation"]) == 0 and len(dataset.splits["train"]) == 1347


def test_normalization_is_fitted_on_training_images_alone():
    raw = digits()
    dataset = prepare(raw, DIGITS, Seed("p"))
    changed = raw.images.clone()
    for name in ("validation", "test"):
        changed[dataset.splits[name]] = 255
    again = prepare(RawImages(changed, raw.labels, raw.class_names), DIGITS, Seed("p"))
    assert torch.equal(dataset.normalization.mean, again.normalization.mean)
    images, _ = dataset.split("train")
    assert abs(float(images.mean())) < 1e-5 and abs(float(images.std(correction=0)) - 1) < 1e-5


@pytest.mark.parametrize("kind", ["standardize", "zca", "none"])
def test_a_data_set_comes_back_from_its_file(tmp_path, kind):
    settings = config.Dataset(source="digits", normalization=kind, augmentation=["crop", "scale"])
    dataset = prepare(digits(), settings, Seed("p"))
    save(tmp_path / "d.safetensors", dataset, {})
    loaded = load(tmp_path / "d.safetensors")
    assert loaded.class_names == dataset.class_names and loaded.augmentation == ("crop", "scale")
    for name in dataset.splits:
        for left, right in zip(loaded.split(name), dataset.split(name), strict=True):
            assert torch.equal(left, right)


def test_too_few_images_of_a_class_are_an_error():
    raw = RawImages(some_images(3), torch.tensor([0, 0, 1]), ("a", "b"))
    with pytest.raises(SeqmatchError, match=r"test_fraction = 0\.25: of 3 images .* of 2 classes is b, with 1; give"):
        prepare(raw, DIGITS, Seed("p"))


@pytest.mark.parametrize(("key", "held_out"), [("test_fraction", None), ("validation_fraction", "test")])
def test_a_rare_class_stands_in_every_split_or_is_named(key, held_out):
    """100 images and 3, or 2 where the source has a test split: scikit-learn may hold out none of the rare class."""
    labels, test = torch.tensor([0] * 100 + [1] * 3), torch.arange(103) % 50 == 2
    raw = RawImages(some_images(103), labels, ("common", "rare"), test if held_out else None)
    settings = {"test_fraction": 0.4, "validation_fraction": 0} | {key: 0.4}
    dataset = prepare(raw, config.Dataset(source="digits", **settings), Seed("p"))
    assert all(1 in dataset.labels[index] for index in dataset.splits.values() if len(index))
    with pytest.raises(
        SeqmatchError, match=rf"{key} = 0\.1: of \d+ images .* smallest of 2 classes is rare, with [23];"
    ):
        prepare(raw, config.Dataset(source="digits", **settings | {key: 0.1}), Seed("p"))


@pytest.mark.parametrize(("split", "labels"), [("training", [0, 0, 0, 0, 0, 1]), ("test", [0, 1, 0, 1, 0, 0])])
def test_a_class_that_is_in_one_split_of_the_source_alone_is_named(split, labels):
    raw = RawImages(some_images(6), torch.tensor(labels), ("a", "b"), torch.arange(6) >= 4)
    with pytest.raises(SeqmatchError, match=f"the {split} images have none of b; every class needs some"):
        prepare(raw, config.Dataset(source="digits", validation_fraction=0), Seed("p"))


def test_too_many_images_asked_of_a_class_name_it():
    dataset = prepare(digits(), DIGITS, Seed("p"))
    check_classes(dataset, 118)
    with pytest.raises(SeqmatchError, match=r"class 8 has 118 training images, but a synthetic set of .* from 119 of"):
        check_classes(dataset, 119)


def test_whitening_without_the_memory_says_what_it_takes(monkeypatch):
    def failing(*arguments):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(normalization, "fit_whitening", failing)
    raw = RawImages(torch.zeros(12, 3, 128, 128, dtype=torch.uint8), torch.arange(12) % 2, ("a", "b"))
    settings = config.Dataset(source="digits", normalization="zca", validation_fraction=0)
    with pytest.raises(SeqmatchError, match="whitening images of 49,152 numbers takes about 97 GB; give the job more"):
        prepare(raw, settings, Seed("p"))


def test_standardization_against_numpy():
    images = some_images()
    fitted = normalization.fit_standardization(images)
    pixels = images.numpy().astype(np.float64) / 255
    expected = (pixels - pixels.mean((0, 2, 3), keepdims=True)) / pixels.std((0, 2, 3), keepdims=True)
    assert np.abs(fitted.apply(images).numpy() - expected).max() < 1e-5


def test_a_constant_channel_stays_finite():
    images = torch.full((4, 1, 5, 5), 7, dtype=torch.uint8)
    assert normalization.fit_standardization(images).apply(images).abs().max() < 1e-5


def test_whitening_against_a_singular_value_decomposition():
    images = some_images(count=200, channels=2, size=4)
    fitted = normalization.fit_whitening(images, 0.1)
    pixels = images.numpy().reshape(200, -1).astype(np.float64) / 255
    centred = pixels - pixels.mean(0)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ (vectors.T / np.sqrt(singular**2 / 199 + 0.1)) @ vectors
    assert np.abs(fitted.apply(images).flatten(1).numpy() - expected).max() < 1e-5


def test_covariance_is_exact_over_several_chunks():
    """Whole numbers below 2^53 in NumPy: more images than a chunk holds, more pixels than a block, extreme levels."""
    pixels = some_images(count=2500, channels=1, size=26).flatten(1)
    pixels[:, 0], pixels[::2, 1] = 0, 255
    mean, covariance = normalization._moments(pixels.split(normalization.CHUNK))
    levels = pixels.numpy().astype(np.int64)
    total = levels.sum(0)
    second = (levels.T.astype(float) @ levels.astype(float)).astype(np.int64)
    exact = (second * 2500 - np.outer(total, total)) / (2500 * 2499 * 255**2)
    assert np.abs(mean.numpy() - total / (2500 * 255)).max() < 1e-15
    assert np.abs(covariance.numpy() - exact).max() < 1e-15


def test_whitening_in_chunks_is_whitening_at_once():
    images = some_images(count=2500, channels=1, size=4)
    fitted = normalization.fit_whitening(images, 0.1)
    at_once = (images.flatten(1).double() / 255 - fitted.mean) @ fitted.matrix.double()
    assert (fitted.apply(images).flatten(1) - at_once).abs().max() < 1e-5


@pytest.mark.parametrize("fit", [normalization.fit_standardization, lambda x: normalization.fit_whitening(x, 0.1)])
def test_normalization_can_be_inverted(fit):
    images = some_images()
    fitted = fit(images)
    back = fitted.invert(fitted.apply(images))
    assert (back - images / 255).abs().max() < 1e-4
    read = normalization.from_tensors(fitted.tensors())
    assert torch.equal(read.apply(images), fitted.apply(images))


def test_whitening_against_kornia():
    """Another project's ZCA, in float64: the same images, and the same way back."""
    kornia = pytest.importorskip("kornia")
    images = some_images(count=300, channels=3, size=6)
    fitted = normalization.fit_whitening(images, 0.1)
    theirs = kornia.enhance.ZCAWhitening(eps=0.1, unbiased=True, compute_inv=True).fit(images.double() / 255)
    expected = theirs(images.double() / 255)
    assert (fitted.apply(images) - expected).abs().max() < 1e-4
    assert (fitted.invert(fitted.apply(images)) - theirs.inverse_transform(expected)).abs().max() < 1e-4


def test_large_data_are_normalised_in_chunks():
    images = some_images(count=2500, channels=3, size=8)
    fitted = normalization.fit_standardization(images)
    mean, std = fitted.mean.view(-1, 1, 1), fitted.std.view(-1, 1, 1)
    assert torch.equal(fitted.apply(images), (images.float() / 255 - mean) / std)
    index = torch.arange(0, 2500, 2)
    assert torch.equal(
        normalization.fit_standardization(images, index).mean, normalization.fit_standardization(images[index]).mean
    )
    whole, part = normalization.fit_whitening(images, 0.1, index), normalization.fit_whitening(images[index], 0.1)
    assert torch.equal(whole.matrix, part.matrix)


def test_a_source_keeps_its_own_test_split():
    images, labels = some_images(40), torch.arange(40) % 2
    test = torch.arange(40) >= 30
    dataset = prepare(RawImages(images, labels, ("a", "b"), test), DIGITS, Seed("p"))
    assert dataset.splits["test"].tolist() == list(range(30, 40))
    assert len(dataset.splits["validation"]) == 3 and len(dataset.splits["train"]) == 27
