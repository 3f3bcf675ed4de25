from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import FOUR, labelled, normal

from seqmatch.data.normalization import Standardization, fit_whitening, from_tensors
from seqmatch.errors import SeqmatchError
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import encode
from seqmatch.synthetic.parameterisations import Parameterisation
from seqmatch.synthetic.subset import Subset, load_subset, save_subset

STATISTICS = Standardization(torch.tensor([0.4]), torch.tensor([0.2]))


def test_some_stored_images_keep_their_own_soft_labels():
    images, labels = labelled(per_class=2, name="s")
    shares = normal(24, 3, name="shares").softmax(1)
    part = Subset(images, labels, 0.1, FOUR, shares)[torch.tensor([False, True, False, False, True, False])]
    assert torch.equal(part.images, images[[1, 4]]) and torch.equal(part.labels, labels[[1, 4]])
    assert torch.equal(part.soft_labels, shares[[4, 5, 6, 7, 16, 17, 18, 19]]) and part.parameterisation == FOUR
    assert len(part.decoded()[0]) == 8


def test_a_subset_comes_back_from_its_file_with_pixels_and_statistics(tmp_path):
    pixels = (normal(6, 1, 8, 8) * 60 + 120).clamp(0, 255).to(torch.uint8)
    subset = Subset(STATISTICS.apply(pixels), torch.arange(6), 0.123456789)
    path = tmp_path / "s.safetensors"
    save_subset(path, subset, replace(subset, images=subset.images.flip(0)), STATISTICS, {})
    loaded = load_subset(path)
    assert torch.equal(loaded.images, subset.images) and loaded.step_size == subset.step_size
    assert torch.equal(load_tensors(path)[0]["pixels"], pixels)
    assert torch.equal(load_tensors(path)[0]["initial_pixels"], pixels.flip(0))
    assert (from_tensors(load_tensors(path)[0]).invert(loaded.images) * 255 - pixels).abs().max() < 1e-3


@pytest.mark.parametrize("parameterisation", [Parameterisation(), FOUR], ids=lambda each: each.name)
def test_a_subset_comes_back_with_its_parameterisation(tmp_path, parameterisation):
    subset = Subset(*labelled(per_class=1), 0.1, parameterisation)
    save_subset(tmp_path / "s.safetensors", subset, subset, STATISTICS, {})
    loaded = load_subset(tmp_path / "s.safetensors")
    assert loaded.parameterisation == parameterisation
    assert all(map(torch.equal, loaded.decoded(), subset.decoded()))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "parameterisation: missing.*delete it and run again"),
        ({"parameterisation": "multi"}, "parameterisation = 'multi': Input should be 'pixels', 'multi-formation'"),
    ],
)
def test_a_file_without_a_known_parameterisation_is_refused_by_its_name(tmp_path, header, message):
    subset, path = Subset(*labelled(per_class=1), 0.1), tmp_path / "s.safetensors"
    save_subset(path, subset, subset, STATISTICS, {})
    save_tensors(path, load_tensors(path)[0], header)
    with pytest.raises(SeqmatchError, match=rf"s\.safetensors: .*{message}"):
        load_subset(path)


def test_pixels_of_whitened_mosaics_are_those_of_their_cells(tmp_path):
    """Whitening mixes the pixels of a whole image, so the mosaic itself cannot be inverted."""
    raw = F.interpolate(torch.rand(1000, 1, 3, 3, generator=Seed("p").generator()), (16, 16), mode="bicubic")
    images = (raw.clamp(0, 1) * 255).to(torch.uint8)
    statistics = fit_whitening(images, 0.1)
    subset = Subset(encode(statistics.apply(images[:8]), 2), torch.arange(2), 0.1, FOUR)
    save_subset(tmp_path / "s.safetensors", subset, subset, statistics, {})
    pixels = load_tensors(tmp_path / "s.safetensors")[0]["pixels"].float()
    expected = encode(images[:8].float(), 2)
    naive = statistics.invert(subset.images) * 255
    assert (pixels - expected).abs().mean() < 0.5 * (naive - expected).abs().mean()
