from dataclasses import replace

import pytest
import torch
from helpers.tiny import labelled, normal

from seqmatch.data.normalization import Standardization
from seqmatch.distillation.coresets import random_order
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset, initial_subset, load_normalization, load_subset, save_subset, subset_sizes


@pytest.mark.parametrize(
    ("ipc", "k", "sizes"), [(50, 3, [17, 17, 16]), (10, 2, [5, 5]), (3, 3, [1, 1, 1]), (5, 1, [5])]
)
def test_subsets_are_near_equal(ipc, k, sizes):
    assert subset_sizes(ipc, k) == sizes


@pytest.mark.parametrize(("ipc", "k"), [(2, 3), (2, 0)])
def test_impossible_divisions_are_refused(ipc, k):
    with pytest.raises(ValueError, match="cannot be divided"):
        subset_sizes(ipc, k)


def test_initial_images_are_real_distinct_and_of_their_class():
    images, labels = labelled(classes=3, per_class=9)
    parts = [initial_subset(images, labels, 5, 2, k, 0.1, random_order(Seed("i"))) for k in (1, 2)]
    assert [len(part.labels) for part in parts] == [9, 6]
    chosen = []
    for part in parts:
        for image, label in zip(part.images, part.labels, strict=True):
            same = (images == image).flatten(1).all(1).nonzero().flatten()
            assert len(same) == 1 and labels[same] == label
            chosen.append(int(same))
    assert len(set(chosen)) == 15


def test_the_whole_set_starts_from_the_same_images_for_every_k():
    images, labels = labelled(classes=3, per_class=9)
    whole = initial_subset(images, labels, 4, 1, 1, 0.1, random_order(Seed("i"))).images
    parts = torch.cat([initial_subset(images, labels, 4, 2, k, 0.1, random_order(Seed("i"))).images for k in (1, 2)])
    assert torch.equal(whole.flatten(1).sort(0).values, parts.flatten(1).sort(0).values)


def test_classes_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="class 0 has 4 training images"):
        initial_subset(*labelled(per_class=4), 5, 1, 1, 0.1, random_order(Seed("i")))


def test_some_stored_images_keep_their_own_soft_labels():
    images, labels = labelled(per_class=2, name="s")
    shares = normal(24, 3, name="shares").softmax(1)
    part = Subset(images, labels, 0.1, 2, shares)[torch.tensor([False, True, False, False, True, False])]
    assert torch.equal(part.images, images[[1, 4]]) and torch.equal(part.labels, labels[[1, 4]])
    assert torch.equal(part.soft_labels, shares[[4, 5, 6, 7, 16, 17, 18, 19]]) and part.formation == 2
    assert len(part.decoded()[0]) == 8


def test_a_subset_comes_back_from_its_file_with_pixels_and_statistics(tmp_path):
    normalization = Standardization(torch.tensor([0.4]), torch.tensor([0.2]))
    pixels = (normal(6, 1, 8, 8) * 60 + 120).clamp(0, 255).to(torch.uint8)
    subset = Subset(normalization.apply(pixels), torch.arange(6), 0.123456789)
    path = tmp_path / "s.safetensors"
    save_subset(path, subset, replace(subset, images=subset.images.flip(0)), normalization, {})
    loaded = load_subset(path)
    assert torch.equal(loaded.images, subset.images) and loaded.step_size == subset.step_size
    from seqmatch.files.tensors import load_tensors

    assert torch.equal(load_tensors(path)[0]["pixels"], pixels)
    assert torch.equal(load_tensors(path)[0]["initial_pixels"], pixels.flip(0))
    assert (load_normalization(path).invert(loaded.images) * 255 - pixels).abs().max() < 1e-3
