from typing import get_args

import torch
from helpers.tiny import FOUR, normal

from seqmatch.config.sections import Parameterisation as Name
from seqmatch.synthetic import formation
from seqmatch.synthetic.parameterisations import FORMS, PIXELS


def test_the_configuration_knows_the_same_names():
    assert get_args(Name) == tuple(FORMS)


def test_pixels_are_images_as_they_are():
    images = normal(4, 1, 8, 8)
    assert PIXELS.held == 1 and PIXELS.arrange(images) is images and PIXELS.decode(images, {}) is images


def test_multi_formation_holds_as_many_images_as_its_grid_has_cells():
    images = normal(8, 1, 8, 8)
    stored = FOUR.arrange(images)
    assert FOUR.held == 4 and stored.shape == (2, 1, 8, 8)
    assert torch.equal(stored, formation.encode(images, 2))
    assert torch.equal(FOUR.decode(stored, {}), formation.decode(stored, 2)) and len(FOUR.decode(stored, {})) == 8
