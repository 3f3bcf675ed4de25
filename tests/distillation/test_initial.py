import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import FOUR, labelled

from seqmatch.config import Coreset
from seqmatch.config.storage import subset_sizes
from seqmatch.distillation.coresets import random_order
from seqmatch.distillation.initial import Part, initial_subset, noise
from seqmatch.seeds import Seed
from seqmatch.synthetic.parameterisations import Parameterisation

GRID = {"parameterisation": "multi-formation", "formation": 2}


def initial_subsets(real, ipc, subsets, **stage):
    """S_1 … S_K at the start."""
    stage, order = Coreset(initial_step_size=0.1, **stage), random_order(Seed("i"))
    started = [stage.formation**2 * size for size in subset_sizes(ipc, [None] * subsets)]
    return [initial_subset(real, Part(started, k), stage, order, Seed("s")) for k in range(1, subsets + 1)]


def test_initial_images_are_real_distinct_and_of_their_class():
    images, labels = labelled(classes=3, per_class=9)
    parts = initial_subsets((images, labels), 5, 2)
    assert [len(part.labels) for part in parts] == [9, 6]
    indices = []
    for part in parts:
        assert part.step_size == 0.1 and part.parameterisation == Parameterisation() and part.soft_labels is None
        for image, label in zip(part.images, part.labels, strict=True):
            (index,) = (images == image).flatten(1).all(1).nonzero().flatten().tolist()
            assert labels[index] == label
            indices.append(index)
    assert len(set(indices)) == len(indices) == 15


def test_the_whole_set_starts_from_the_same_images_for_every_k():
    real = labelled(classes=3, per_class=9)
    (whole,) = initial_subsets(real, 4, 1)
    parts = torch.cat([part.images for part in initial_subsets(real, 4, 2)])
    assert torch.equal(whole.images.flatten(1).sort(0).values, parts.flatten(1).sort(0).values)


def test_the_start_is_safe_from_what_happens_to_the_real_images():
    images, labels = labelled(per_class=2)
    (subset,) = initial_subsets((images, labels), 2, 1)
    before = subset.images.clone()
    images.zero_()
    assert torch.equal(subset.images, before) and before.abs().sum() > 0


def test_classes_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="class 0 has 4 training images"):
        initial_subsets(labelled(per_class=4), 5, 1)


def test_a_subset_starts_as_a_mix_of_distinct_real_images_of_its_class():
    images, labels = labelled(classes=3, per_class=20)
    shrunk = F.interpolate(images, (4, 4), mode="bilinear", antialias=True)
    indices = []
    for part in initial_subsets((images, labels), 4, 2, **GRID):
        assert part.images.shape == (6, 1, 8, 8) and part.labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert part.parameterisation == FOUR
        for stored, label in zip(part.images, part.labels, strict=True):
            for cell in (stored[:, :4, :4], stored[:, :4, 4:], stored[:, 4:, :4], stored[:, 4:, 4:]):
                (index,) = (shrunk == cell).flatten(1).all(1).nonzero().flatten().tolist()
                assert labels[index] == label
                indices.append(index)
    assert len(indices) == len(set(indices)) == 3 * 4 * 4


def test_a_class_too_small_for_the_mix_is_refused():
    with pytest.raises(ValueError, match="class 0 has 9 training images, fewer than the 12 that the set starts from"):
        initial_subsets(labelled(per_class=9), 3, 1, **GRID)


def test_noise_is_normal_and_another_one_for_each_seed():
    drawn = noise(torch.Size((20, 3, 16, 16)), Seed("i") / 1)
    assert abs(float(drawn.mean())) < 0.03 and abs(float(drawn.std()) - 1) < 0.03
    assert torch.equal(drawn, noise(drawn.shape, Seed("i") / 1))
    assert not torch.equal(drawn, noise(drawn.shape, Seed("i") / 2))
