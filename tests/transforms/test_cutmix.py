import pytest
import torch
from helpers.tiny import normal

from seqmatch.seeds import Seed
from seqmatch.transforms import cutmix
from seqmatch.transforms.cutmix import Cut


@pytest.mark.parametrize(
    ("centre", "share"), [((0.5, 0.5), 0.25), ((0.1, 0.9), 0.49), ((0.99, 0.0), 0.9), ((0.3, 0.3), 0.0)]
)
def test_boxes_and_labels_against_pixel_loops(centre, share):
    images, labels = normal(4, 2, 8, 10, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    cut = Cut(torch.tensor([2, 0, 3, 1]), share, centre)
    mixed, targets = cutmix.apply(cut, images, labels, 3)
    half = [int(share**0.5 * size) // 2 for size in (8, 10)]
    middle = [int(at * size) for at, size in zip(centre, (8, 10), strict=True)]
    count = 0
    for i in range(8):
        for j in range(10):
            inside = all(m - h <= x < m + h for x, m, h in zip((i, j), middle, half, strict=True))
            count += inside
            source = images[cut.partners] if inside else images
            assert torch.equal(mixed[..., i, j], source[..., i, j])
    for index, partner in enumerate(cut.partners.tolist()):
        expected = torch.zeros(3, dtype=torch.float64)
        expected[labels[index]] += 1 - count / 80
        expected[labels[partner]] += count / 80
        assert (targets[index] - expected).abs().max() < 1e-12


def test_without_a_cut_labels_only_change_their_form():
    images, labels = normal(3, 1, 8, 8), torch.tensor([2, 0, 1])
    same, targets = cutmix.apply(None, images, labels, 4)
    assert same is images and targets.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    shares = torch.full((3, 4), 0.25)
    assert cutmix.apply(None, images, shares, 4)[1] is shares


def test_draws_follow_their_probability_and_generator():
    draws = [cutmix.draw(0.3, 5, Seed("cut", i).generator()) for i in range(2000)]
    kept = [cut for cut in draws if cut is not None]
    assert len(kept) / 2000 == pytest.approx(0.3, abs=0.04)
    shares = torch.tensor([cut.share for cut in kept])
    assert shares.mean() == pytest.approx(0.5, abs=0.05) and shares.min() >= 0 and shares.max() < 1
    assert all(sorted(cut.partners.tolist()) == [0, 1, 2, 3, 4] for cut in kept)
    again = cutmix.draw(1, 5, Seed("cut", 1).generator())
    assert again.share == cutmix.draw(1, 5, Seed("cut", 1).generator()).share
    assert cutmix.draw(0, 5, Seed("cut").generator()) is None
