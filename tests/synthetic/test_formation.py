import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import labelled, normal

from seqmatch import config
from seqmatch.data.normalization import fit_whitening
from seqmatch.distillation.coresets import random_order
from seqmatch.files.tensors import load_tensors
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.formation import decode, encode
from seqmatch.synthetic.snapshots import Snapshots
from seqmatch.synthetic.subset import Subset, initial_subset, save_subset

SIZES = [(8, 2), (9, 2), (11, 3), (32, 3)]


def bilinear(image, height, width):
    """Pixel by pixel: output pixel i is centred at (i + ½) · old / new − ½ of the input, edges repeated."""
    channels, rows, columns = image.shape
    result = torch.zeros(channels, height, width, dtype=image.dtype)
    for i in range(height):
        for j in range(width):
            y = max((i + 0.5) * rows / height - 0.5, 0)
            x = max((j + 0.5) * columns / width - 0.5, 0)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            v, u = y - top, x - left
            upper = (1 - u) * image[:, top, left] + u * image[:, top, right]
            lower = (1 - u) * image[:, bottom, left] + u * image[:, bottom, right]
            result[:, i, j] = (1 - v) * upper + v * lower
    return result


@pytest.mark.parametrize(("size", "factor"), SIZES)
def test_each_cell_is_enlarged_bilinearly(size, factor):
    images = normal(2, 3, size, size, dtype=torch.float64)
    found = decode(images, factor)
    assert found.shape == (2 * factor**2, 3, size, size)
    edges = [i * size // factor for i in range(factor + 1)]
    for n in range(2):
        for row in range(factor):
            for column in range(factor):
                cell = images[n, :, edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
                expected = bilinear(cell, size, size)
                assert (found[n * factor**2 + row * factor + column] - expected).abs().max() < 1e-12


@pytest.mark.parametrize(("size", "factor"), SIZES)
def test_constant_images_come_back_from_their_cells(size, factor):
    levels = normal(2 * factor**2, 3, 1, 1, dtype=torch.float64)
    images = levels.expand(-1, -1, size, size)
    stored = encode(images, factor)
    assert stored.shape == (2, 3, size, size)
    assert (decode(stored, factor) - images).abs().max() < 1e-12


def test_smooth_images_come_back_nearly():
    ramp = torch.linspace(-1, 1, 32).expand(4, 1, 32, 32)
    assert (decode(encode(ramp, 2), 2) - ramp).abs().max() < 0.1


def test_decoding_is_linear_and_its_gradient_the_adjoint():
    x, y = (normal(2, 3, 9, 9, name=name, dtype=torch.float64) for name in "xy")
    assert torch.allclose(decode(2 * x + y, 2), 2 * decode(x, 2) + decode(y, 2), atol=1e-12)
    leaf, z = x.clone().requires_grad_(), normal(8, 3, 9, 9, name="z", dtype=torch.float64)
    decoded = decode(leaf, 2)
    (pulled,) = torch.autograd.grad(decoded, leaf, z)
    assert float((decoded * z).sum().detach()) == pytest.approx(float((x * pulled).sum()), rel=1e-12)


def test_a_factor_of_one_changes_nothing():
    images = normal(2, 1, 8, 8)
    assert decode(images, 1) is images and encode(images, 1) is images


def test_a_subset_starts_as_a_mix_of_distinct_real_images_of_its_class():
    images, labels = labelled(classes=3, per_class=20)
    order = random_order(Seed("i"))
    parts = [initial_subset(images, labels, 4, 2, k, 0.1, order, formation=2) for k in (1, 2)]
    used = []
    for part in parts:
        assert part.images.shape == (6, 1, 8, 8) and part.labels.tolist() == [0, 0, 1, 1, 2, 2]
        for stored, label in zip(part.images, part.labels, strict=True):
            for cell in (stored[:, :4, :4], stored[:, :4, 4:], stored[:, 4:, :4], stored[:, 4:, 4:]):
                shrunk = F.interpolate(images, (4, 4), mode="bilinear", antialias=True)
                (index,) = (shrunk == cell).flatten(1).all(1).nonzero().flatten().tolist()
                assert labels[index] == label
                used.append(index)
    assert len(used) == len(set(used)) == 3 * 4 * 4


def test_a_class_too_small_for_the_mix_is_refused():
    with pytest.raises(ValueError, match="class 0 has 9 training images, fewer than ipc 3 × 4 mixed in each"):
        initial_subset(*labelled(per_class=9), 3, 1, 1, 0.1, random_order(Seed("i")), formation=2)


def test_networks_learn_from_decoded_images():
    first = Subset(*labelled(per_class=2, name="a"), step_size=0.1, formation=2)
    second = Subset(*labelled(per_class=1, name="b"), step_size=0.2)
    one, two = make_curriculum([first, second], config.Evaluation())
    assert torch.equal(one.images, decode(first.images, 2)) and one.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert torch.equal(two.images, torch.cat([one.images, second.images])) and two.labels[-3:].tolist() == [0, 1, 2]


def test_snapshots_keep_the_formation():
    images, labels = labelled(per_class=1)
    course = torch.zeros(1, dtype=torch.float64)
    kept = Snapshots(torch.tensor([0]), images[None], course, labels, torch.tensor(2), course, course)
    assert kept.subset(0).formation == 2 and len(kept.subset(0).decoded()[0]) == 12


def test_pixels_of_whitened_mosaics_are_those_of_their_cells(tmp_path):
    """Whitening mixes the pixels of a whole image, so the mosaic itself cannot be inverted."""
    raw = F.interpolate(torch.rand(1000, 1, 3, 3, generator=Seed("p").generator()), (16, 16), mode="bicubic")
    images = (raw.clamp(0, 1) * 255).to(torch.uint8)
    statistics = fit_whitening(images, 0.1)
    subset = Subset(encode(statistics.apply(images[:8]), 2), torch.arange(2), 0.1, formation=2)
    save_subset(tmp_path / "s.safetensors", subset, subset, statistics, {})
    shown = load_tensors(tmp_path / "s.safetensors")[0]["pixels"].float()
    wanted = encode(images[:8].float(), 2)
    naive = statistics.invert(subset.images) * 255
    assert (shown - wanted).abs().mean() < 0.5 * (naive - wanted).abs().mean()
