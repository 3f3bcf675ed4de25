import math

import pytest
import torch
from helpers.tiny import normal

from seqmatch.config import Coreset
from seqmatch.config.storage import (
    check_stored,
    decoder_numbers,
    started_per_class,
    stored_numbers,
    stored_per_class,
    subset_sizes,
)
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed


@pytest.mark.parametrize(
    ("ipc", "k", "sizes"), [(50, 3, [17, 17, 16]), (10, 2, [5, 5]), (3, 3, [1, 1, 1]), (5, 1, [5])]
)
def test_subsets_are_near_equal(ipc, k, sizes):
    assert subset_sizes(ipc, [None] * k) == sizes


@pytest.mark.parametrize(
    ("given", "sizes"), [([1, None, None], [1, 5, 4]), ([None, 3], [7, 3]), ([4, 6], [4, 6]), ([10], [10])]
)
def test_given_sizes_stay_and_others_share_what_is_left(given, sizes):
    assert subset_sizes(10, given) == sizes


@pytest.mark.parametrize("given", [[None] * 3, [], [2, None], [1, 2], [1]], ids=str)
def test_impossible_divisions_are_refused(given):
    with pytest.raises(ValueError, match="2 images per class cannot be divided"):
        subset_sizes(2, given)


CIFAR, DIGITS = (3, 32, 32), (1, 8, 8)


@pytest.mark.parametrize(
    ("settings", "ipc", "shape"),
    [
        ({"parameterisation": "memories", "memories": 16, "memory_scale": 2}, 1, CIFAR),
        ({"parameterisation": "memories", "memories": 7, "memory_scale": 1, "initial": "noise"}, 3, CIFAR),
        ({"parameterisation": "memories", "memories": 4, "memory_scale": 4}, 2, DIGITS),
        ({"parameterisation": "hallucinators"}, 2, CIFAR),
        ({"parameterisation": "multi-formation", "formation": 2}, 2, DIGITS),
        ({}, 2, DIGITS),
    ],
    ids=str,
)
def test_numbers_are_counted_as_a_subset_stores_them(settings, ipc, shape):
    stage = Coreset(**settings)
    per_class = stored_per_class(stage, ipc, 10, shape)
    real = normal(10 * 400, *shape), torch.arange(10).repeat_interleave(400)
    part = Part([started_per_class(stage, ipc, 10, shape)], 1)
    subset = initial_subset(real, part, stage, lambda members, label: members, Seed("s"))
    assert subset.labels.bincount().tolist() == [per_class] * 10
    assert subset.numbers == stored_numbers(stage, ipc, 10, shape)
    assert len(subset.decoded()[0]) == 10 * per_class * stage.held and subset.shape == shape
    budget = ipc * 10 * math.prod(shape)
    if stage.parameterisation == "memories":  # one more of each class would be too many
        assert subset.numbers <= budget < subset.numbers + 10 * stage.memories
    else:
        assert subset.numbers - budget == decoder_numbers(stage, shape)


def test_the_published_example_of_memories_and_size_of_hallucinators():
    """CIFAR-10 at ipc 1 holds 115 sums of 16 memories per class; five hallucinators are 27,840 numbers."""
    assert stored_per_class(Coreset(parameterisation="memories"), 1, 10, CIFAR) == 115
    assert decoder_numbers(Coreset(parameterisation="hallucinators"), CIFAR) == 27_840


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory_scale": 3}, r"x\.stages\[1\]\.memory_scale = 3: images of 8×8 pixels are no whole multiple"),
        ({"memories": 40}, r"x\.stages\[1\]\.memories = 40: they leave no room .* budget of ipc 1"),
    ],
)
def test_memories_that_cannot_be_are_refused(settings, message):
    stages = [Coreset(), Coreset(parameterisation="memories", **settings)]
    with pytest.raises(SeqmatchError, match=message):
        check_stored(stages, 2, 10, DIGITS, "x")
