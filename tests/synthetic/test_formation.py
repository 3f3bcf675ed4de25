import pytest
import torch
from helpers.tiny import normal

from seqmatch.synthetic.formation import decode, encode

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
    decoded = decode(images, factor)
    assert decoded.shape == (2 * factor**2, 3, size, size)
    edges = [i * size // factor for i in range(factor + 1)]
    for n in range(2):
        for row in range(factor):
            for column in range(factor):
                cell = images[n, :, edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
                expected = bilinear(cell, size, size)
                assert (decoded[n * factor**2 + row * factor + column] - expected).abs().max() < 1e-12


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
