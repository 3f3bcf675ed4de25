import torch

from seqmatch.training.classes import by_class


def test_each_class_that_occurs_has_the_indices_of_its_images():
    found = by_class(torch.tensor([2, 0, 2, 5, 0]))
    assert {label: index.tolist() for label, index in found.items()} == {0: [1, 4], 2: [0, 2], 5: [3]}
    assert list(found) == [0, 2, 5]
