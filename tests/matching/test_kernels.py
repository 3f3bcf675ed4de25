"""Neural tangent kernels: by wide finite networks, by a closed form, and their derivatives by differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import normal
from torch import nn

from seqmatch.matching import regression
from seqmatch.matching.kernels import PRODUCTS, Kernel
from seqmatch.matching.regression import centred, match_regression, predictions
from seqmatch.seeds import Seed

EVERY = list(PRODUCTS)
SHAPE, CLASSES, RIDGE = (2, 5, 5), 3, 1e-3


def images(count, name="x", shape=SHAPE):
    return normal(count, *shape, name=name, dtype=torch.float64)


def problem(seed="p"):
    """Synthetic images with their labels, and real ones, of which one is also among the synthetic."""
    synthetic, real = images(4, f"{seed}s"), images(7, f"{seed}r")
    synthetic[3] = real[5]
    return synthetic, centred(torch.tensor([0, 1, 2, 0]), CLASSES), real, centred(torch.arange(7) % CLASSES, CLASSES)


def finite_kernel(name, depth, width, rows, columns, seed):
    """Products of the gradients of a network of this width, in the parametrisation of its kernel."""
    generator, shapes, channels = seed.generator(), [], rows.shape[1]
    side = rows.shape[-1]
    for _ in range(depth):
        if name == "fully-connected":
            shapes.append((width, rows[0].numel() if not shapes else width))
        else:
            shapes.append((width, channels, 3, 3))
            channels, side = width, max(side // 2, 1) if name == "pooled" else side
    shapes.append((1, width * (1 if name == "fully-connected" else side**2)))
    weights = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]
    biases = [torch.randn(shape[0], generator=generator, dtype=torch.float64) for shape in shapes]
    parameters = [parameter.requires_grad_() for parameter in (*weights, *biases)]

    def network(image):
        seen = image.flatten() if name == "fully-connected" else image[None]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            scaled = math.sqrt(2 / weight[0].numel()) * weight
            if layer == depth or name == "fully-connected":
                seen = F.linear(seen.flatten(), scaled, 0.1 * bias)
            else:
                seen = F.conv2d(seen, scaled, 0.1 * bias, padding=1)
            seen = seen if layer == depth else seen.relu()
            if layer < depth and name == "pooled" and seen.shape[-1] > 1:
                seen = F.avg_pool2d(seen, 2)
        return seen.squeeze()

    def gradients(batch):
        return torch.stack(
            [nn.utils.parameters_to_vector(torch.autograd.grad(network(one), parameters)) for one in batch]
        )

    return gradients(rows) @ gradients(columns).T


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_a_kernel_is_that_of_wide_networks(name, depth):
    rows, columns = images(3, "rows"), images(2, "columns")
    columns[0] = 0.7 * rows[0]
    width, networks = (256 if name == "fully-connected" else 128), 12
    sampled = [finite_kernel(name, depth, width, rows, columns, Seed("k") / index) for index in range(networks)]
    expected = torch.stack(sampled)
    error = expected.std(0) / math.sqrt(networks)
    found = Kernel(name, depth)(rows, columns)
    assert error.max() < 0.08 * found.max()
    assert ((found - expected.mean(0)).abs() < 4 * error + 0.01 * found).all()


def test_one_hidden_layer_by_its_arc_cosines():
    """Θ = 2 Σ' (arc-cosine kernels of degree 1 and 0) + biases (Cho & Saul 2009), written out by the angle."""
    x, z = images(1, "a"), images(1, "b")
    numbers = x.numel()
    inner, own_x, own_z = (float(2 * (left * right).sum() / numbers + 0.01) for left, right in ((x, z), (x, x), (z, z)))
    angle = math.acos(inner / math.sqrt(own_x * own_z))
    degree_1 = math.sqrt(own_x * own_z) * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)
    degree_0 = (math.pi - angle) / (2 * math.pi)
    expected = 2 * degree_1 + 0.01 + 2 * inner * degree_0
    assert Kernel("fully-connected", 1)(x, z).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_a_kernel_is_symmetric_and_positive(name):
    x = images(5)
    theta = Kernel(name, 3)(x, x)
    torch.testing.assert_close(theta, theta.T, rtol=1e-12, atol=0)
    assert torch.linalg.cholesky_ex(theta).info == 0
    torch.testing.assert_close(Kernel(name, 3)(x[1:3], x), theta[1:3], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["convolutional", "pooled"])
def test_on_one_pixel_alone_nothing_is_averaged_but_zeros(name):
    """Of a 3×3 neighbourhood of one pixel eight ninths are zeros: a fully connected network of smaller images."""
    x, z = images(2, "a", (3, 1, 1)), images(3, "b", (3, 1, 1))
    found = Kernel(name, 1)(x, z)
    torch.testing.assert_close(found, Kernel("fully-connected", 1)(x / 3, z / 3), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", EVERY)
def test_derivatives_where_images_coincide_and_where_not(name):
    """Of Θ_SS, whose diagonal coincides always; a real image that one of S starts from has a peak there, and no
    derivative, so it is left out here."""
    direction, support, others = images(3, "d"), images(3, "s"), images(4, "t")

    def sums(moved):
        kernel = Kernel(name, 2)
        weights = normal(7, 3, name="w", dtype=torch.float64)
        return (torch.cat([kernel(moved, moved), kernel(others, moved)]) * weights).sum()

    leaf = support.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sums(leaf), leaf)
    h = 1e-5
    difference = (sums(support + h * direction) - sums(support - h * direction)) / (2 * h)
    assert (gradient * direction).sum().item() == pytest.approx(difference.item(), rel=1e-7)


def loss_of(kernel, synthetic, labels, real, targets, ridge):
    """½ mean squared error, without any of the code under test but the kernel."""
    theta = kernel(synthetic, synthetic)
    ridged = theta + ridge * theta.trace() / len(theta) * torch.eye(len(theta), dtype=torch.float64)
    return (kernel(real, synthetic) @ torch.linalg.solve(ridged, labels) - targets).square().mean() / 2


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("name", EVERY)
def test_the_gradient_is_that_of_one_graph_however_many_rows_at_a_time(monkeypatch, name, rows):
    monkeypatch.setattr(regression, "chunk_size", lambda *arguments: rows)
    synthetic, labels, real, targets = problem()
    match = match_regression(Kernel(name, 2), synthetic, labels, real, targets, RIDGE)
    leaf, shares = synthetic.clone().requires_grad_(), labels.clone().requires_grad_()
    expected = loss_of(Kernel(name, 2), leaf, shares, real, targets, RIDGE)
    by_image, by_label = torch.autograd.grad(expected, [leaf, shares])
    assert match.loss == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(match.image_gradient, by_image, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(match.label_gradient, by_label, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_the_gradient_by_central_differences(name):
    synthetic, labels, real, targets = problem()
    real = real[:5]  # without the one that is among the synthetic
    targets, kernel, h = targets[:5], Kernel(name, 2), 1e-5
    match = match_regression(kernel, synthetic, labels, real, targets, RIDGE)
    direction, turn = images(4, "d"), normal(4, CLASSES, name="t", dtype=torch.float64)

    def loss(step):
        moved = synthetic + step * direction, labels + step * turn
        return match_regression(kernel, *moved, real, targets, RIDGE).loss

    found = (match.image_gradient * direction).sum() + (match.label_gradient * turn).sum()
    assert found.item() == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_images_that_are_all_there_are_predicted_as_they_are_labelled(name):
    """S = T: as λ goes to 0, regression goes through every label."""
    x, labels = images(6), centred(torch.arange(6) % CLASSES, CLASSES)
    errors = [
        (predictions(Kernel(name, 2), x, labels, x, ridge) - labels).abs().max().item() for ridge in (1e-2, 1e-5, 1e-8)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2] and errors[2] < 1e-5
    assert match_regression(Kernel(name, 2), x, labels, x, labels, 1e-8).loss < 1e-11


def test_two_images_and_one_by_hand():
    """A 2×2 system and a 1×2 row, solved by Cramer's rule."""
    kernel, (x, z) = Kernel("fully-connected", 1), (images(2, "a"), images(1, "b"))
    labels = torch.tensor([[0.5, -0.5], [-0.5, 0.5]], dtype=torch.float64)
    (a, b), (_, d) = kernel(x, x).tolist()
    row, ridge = kernel(z, x)[0].tolist(), RIDGE * (a + d) / 2
    determinant = (a + ridge) * (d + ridge) - b**2
    inverse = [[(d + ridge) / determinant, -b / determinant], [-b / determinant, (a + ridge) / determinant]]
    weights = [sum(row[i] * inverse[i][j] for i in range(2)) for j in range(2)]
    expected = [0.5 * (weights[0] - weights[1]), 0.5 * (weights[1] - weights[0])]
    assert predictions(kernel, x, labels, z, RIDGE)[0].tolist() == pytest.approx(expected, rel=1e-9)


def test_labels_that_solve_best_have_no_gradient():
    """Label Solve: Y_S = (Θ_TS A⁻¹)⁺ Y_T makes ∂L/∂Y_S zero."""
    synthetic, labels, real, targets = problem()
    kernel = Kernel("convolutional", 2)
    theta = kernel(synthetic, synthetic)
    ridged = theta + RIDGE * theta.trace() / len(theta) * torch.eye(len(theta), dtype=torch.float64)
    solved = torch.linalg.pinv(kernel(real, synthetic) @ torch.linalg.inv(ridged)) @ targets
    given, best = (match_regression(kernel, synthetic, y, real, targets, RIDGE) for y in (labels, solved))
    assert best.label_gradient.abs().max() < 1e-12 < 1e-4 < given.label_gradient.abs().max()
    assert best.loss < given.loss


def test_images_that_are_the_same_are_an_error_that_names_the_ridge():
    x = images(1).expand(3, *SHAPE)
    with pytest.raises(Exception, match=r"ridge = 1e-18: .* 3 synthetic images cannot be inverted.*raise ridge"):
        predictions(Kernel("fully-connected", 1), x, centred(torch.tensor([0, 1, 2]), 3), x, 1e-18)
