"""Every operation against plain loops over samples and pixels."""

import math

import numpy as np
import pytest
import torch
from helpers.tiny import normal

from seqmatch.seeds import Seed
from seqmatch.transforms import dsa
from seqmatch.transforms.dsa import Draw

SHAPES = [(6, 3, 8, 8), (5, 1, 9, 9)]


def uniform(batch, count):
    return torch.rand(batch, count, generator=Seed("uniform", batch, count).generator(), dtype=torch.float64)


def color(image, u):
    image = image + (u[0] - 0.5)
    grey = sum(image) / len(image)
    image = np.stack([(channel - grey) * 2 * u[1] + grey for channel in image])
    return (image - image.mean()) * (u[2] + 0.5) + image.mean()


def crop(image, u):
    _, height, width = image.shape
    most = [int(side * 0.125 + 0.5) for side in (height, width)]
    down, right = (math.floor(u[i] * (2 * most[i] + 1)) - most[i] for i in range(2))
    result = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            if 0 <= i + down < height and 0 <= j + right < width:
                result[:, i, j] = image[:, i + down, j + right]
    return result


def cutout(image, u):
    result = image.copy()
    _, height, width = image.shape
    length = [int(side * 0.5 + 0.5) for side in (height, width)]
    centre = [math.floor(u[i] * (side + 1 - length[i] % 2)) for i, side in enumerate((height, width))]
    for i in range(centre[0] - length[0] // 2, centre[0] - length[0] // 2 + length[0]):
        for j in range(centre[1] - length[1] // 2, centre[1] - length[1] // 2 + length[1]):
            if 0 <= i < height and 0 <= j < width:
                result[:, i, j] = 0
    return result


def flip(image, u):
    return image[:, :, ::-1] if u[0] < 0.5 else image


def warp(image, matrix):
    """Bilinear: the output pixel at (x, y), in [−1, 1] from edge to edge, takes the input at matrix @ (x, y)."""
    _, height, width = image.shape
    result = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            x, y = matrix @ np.array([(2 * j + 1) / width - 1, (2 * i + 1) / height - 1])
            column, row = ((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2
            for r in (math.floor(row), math.floor(row) + 1):
                for c in (math.floor(column), math.floor(column) + 1):
                    if 0 <= r < height and 0 <= c < width:
                        result[:, i, j] += image[:, r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return result


def scale(image, u):
    return warp(image, np.diag([float(v) * (1.2 - 1 / 1.2) + 1 / 1.2 for v in u]))


def rotate(image, u):
    angle = (u[0] - 0.5) * 2 * 15 / 180 * math.pi
    return warp(image, np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]))


REFERENCE = {"color": color, "crop": crop, "cutout": cutout, "flip": flip, "scale": scale, "rotate": rotate}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("operation", dsa.OPERATIONS)
def test_operation_against_loops(operation, shape):
    images = normal(*shape, dtype=torch.float64)
    numbers = uniform(shape[0], dsa.OPERATIONS[operation][1])
    result = dsa.apply([Draw(operation, numbers)], images)
    expected = [REFERENCE[operation](image.numpy(), u.tolist()) for image, u in zip(images, numbers, strict=True)]
    assert result.shape == images.shape
    assert np.abs(result.numpy() - np.stack(expected)).max() < 1e-12


@pytest.mark.parametrize("operation", dsa.OPERATIONS)
def test_operation_is_linear_in_the_images_up_to_a_constant(operation):
    drawn = [Draw(operation, uniform(4, dsa.OPERATIONS[operation][1]))]
    x, y = normal(4, 3, 8, 8, dtype=torch.float64), normal(4, 3, 8, 8, name="y", dtype=torch.float64)
    zero = dsa.apply(drawn, torch.zeros_like(x))
    both = dsa.apply(drawn, 2 * x - 3 * y) - zero
    parts = 2 * (dsa.apply(drawn, x) - zero) - 3 * (dsa.apply(drawn, y) - zero)
    assert (both - parts).abs().max() < 1e-12


@pytest.mark.parametrize("operation", dsa.OPERATIONS)
def test_operation_is_differentiable(operation):
    drawn = [Draw(operation, uniform(2, dsa.OPERATIONS[operation][1]))]
    images = normal(2, 3, 8, 8, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: dsa.apply(drawn, x), images)


@pytest.mark.parametrize("operation", ["crop", "cutout"])
def test_whole_range_is_reached_and_not_left(operation):
    ends = torch.tensor([[0.0, 0.0], [1 - 2**-24, 1 - 2**-24]])
    images = torch.arange(1.0, 129.0).view(2, 1, 8, 8)
    first, last = dsa.apply([Draw(operation, ends)], images)
    if operation == "crop":
        assert first[0, 1, 1] == images[0, 0, 0, 0] and last[0, 0, 0] == images[1, 0, 1, 1]
    else:
        assert (first[0] == 0).sum() == 4 and (last[0] == 0).sum() == 4  # a window of 4 centred on a corner


def test_one_operation_a_batch_and_each_is_drawn_equally_often():
    operations = list(dsa.OPERATIONS)
    generator = Seed("draws").generator()
    draws = [dsa.draw(operations, 3, generator) for _ in range(3000)]
    drawn = [one for (one,) in draws]
    counts = np.array([sum(d.operation == operation for d in drawn) for operation in operations])
    assert ((counts - 500) ** 2 / 500).sum() < 20.5  # χ² with 5 degrees of freedom, p = .001
    assert all(d.uniform.shape == (3, dsa.OPERATIONS[d.operation][1]) for d in drawn)
    numbers = torch.cat([d.uniform.flatten() for d in drawn])
    assert numbers.min() >= 0 and numbers.max() < 1 and abs(float(numbers.mean()) - 0.5) < 0.01


def test_nothing_to_draw_from_leaves_images_as_they_are():
    images = normal(2, 1, 8, 8)
    assert dsa.draw([], 2, Seed("x").generator()) == []
    assert dsa.apply([], images) is images
