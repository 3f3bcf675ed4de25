"""The three loops and whitening written plainly, as research code usually does: what seqmatch is timed against.

Parameters travel as one flat vector, the unroll is one graph through every step, real images come from a DataLoader,
augmentation builds its transforms sample by sample, tests run in large batches with gradients on, and whitening
takes an SVD in single precision. The results are right; only the way is slow.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

TEST_BATCH = 256


def flat_parameters(network: nn.Module) -> Tensor:
    """The parameters of a network as one vector (P,)."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def forward(network: nn.Module, flat: Tensor, images: Tensor) -> Tensor:
    """Logits of a network whose parameters are the parts of `flat`."""
    parameters, position = {}, 0
    for name, parameter in network.named_parameters():
        parameters[name] = flat[position : position + parameter.numel()].view(parameter.shape)
        position += parameter.numel()
    return functional_call(network, parameters, (images,))


def match(
    network: nn.Module,
    ends: tuple[Tensor, Tensor],
    labelled: tuple[Tensor, Tensor],
    batch: int,
    steps: int,
    rate: float,
    logits: Callable[[nn.Module, Tensor, Tensor], Tensor] = forward,
    augmented: Callable[[Tensor], Tensor] | None = None,
) -> tuple[float, Tensor, float]:
    """One distillation iteration: the matching loss, its gradient for the images and for the step size.

    Args:
        ends: start and target, both (P,).
        labelled: synthetic images and their labels.
        batch: images per step.
        rate: the step size.
        logits: of a network with flat parameters.
        augmented: how images are augmented; by default `augment`.
    """
    (start, target), (images, labels) = ends, labelled
    images = images.clone().requires_grad_()
    step_size = torch.tensor(rate, requires_grad=True)
    student = start.clone().requires_grad_()
    order: list[Tensor] = []
    for _ in range(steps):
        if not order:
            order = list(torch.randperm(len(labels)).split(batch))
        index = order.pop()
        loss = F.cross_entropy(logits(network, student, (augmented or augment)(images[index])), labels[index])
        (gradient,) = torch.autograd.grad(loss, student, create_graph=True)
        student = student - step_size * gradient
    distance = F.mse_loss(student, target, reduction="sum")
    matching_loss = distance / F.mse_loss(start, target, reduction="sum")
    matching_loss.backward()
    return float(matching_loss.detach()), images.grad, float(step_size.grad)


def match_gradients(network: nn.Module, real: Tensor, images: Tensor) -> tuple[float, Tensor]:
    """DC's gradient matching class by class: the loss, and its gradient for the images; both (classes, m, C, H, W)."""
    images = images.clone().requires_grad_()
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    total = torch.zeros(())
    for label in range(len(real)):
        for one, other in _class_gradients(network, weights, real[label], images[label], label):
            total = total + (1 - F.cosine_similarity(one.flatten(1), other.flatten(1), dim=1)).sum()
    (gradient,) = torch.autograd.grad(total, images)
    return float(total.detach()), gradient


def match_convolutions(network: nn.Module, real: Tensor, images: Tensor) -> tuple[float, Tensor]:
    """IDC's gradient matching class by class, likewise; `images` are stored ones of a formation of 2, decoded here."""
    images = images.clone()
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    total, gradients = 0.0, []
    for label in range(len(real)):
        stored = images[label].requires_grad_()
        both = torch.cat([real[label], decode(stored)])
        real_part, synthetic_part = both[: len(real[label])], both[len(real[label]) :]
        pairs = _class_gradients(network, weights, real_part, synthetic_part, label)
        loss = sum((one - other).square().sum() for one, other in pairs)
        gradients.append(torch.autograd.grad(loss, stored)[0])
        total += float(loss.detach())
    return total, torch.stack(gradients)


def decode(images: Tensor) -> Tensor:
    """The four quarters of each image, enlarged."""
    half = images.shape[-1] // 2
    quarters = [images[..., row : row + half, column : column + half] for row in (0, half) for column in (0, half)]
    return torch.cat([F.interpolate(quarter, scale_factor=2, mode="bilinear") for quarter in quarters])


def cut_and_mix(network: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, images: int) -> None:
    """Training on the first `images` of the loader with CutMix for half of the batches."""
    for batch, labels in itertools.islice(loader, images // loader.batch_size):
        batch, others = augment(batch), labels
        area = 0.0
        if torch.rand(()) < 0.5:
            size = batch.shape[-1]
            half = int(size * math.sqrt(float(torch.rand(())))) // 2
            row, column = torch.randint(size, (2,)).tolist()
            rows = slice(max(row - half, 0), min(row + half, size))
            columns = slice(max(column - half, 0), min(column + half, size))
            order = torch.randperm(len(batch))
            batch, others = batch.clone(), labels[order]
            batch[:, :, rows, columns] = batch[order][:, :, rows, columns]
            area = (rows.stop - rows.start) * (columns.stop - columns.start) / size**2
        logits = network(batch)
        loss = (1 - area) * F.cross_entropy(logits, labels) + area * F.cross_entropy(logits, others)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _class_gradients(
    network: nn.Module, weights: list[Tensor], real: Tensor, images: Tensor, label: int
) -> Iterator[tuple[Tensor, Tensor]]:
    by_real = torch.autograd.grad(_class_loss(network, real, label), weights)
    by_synthetic = torch.autograd.grad(_class_loss(network, images, label), weights, create_graph=True)
    return zip(by_real, by_synthetic, strict=True)


def _class_loss(network: nn.Module, images: Tensor, label: int) -> Tensor:
    return F.cross_entropy(network(images), torch.full((len(images),), label, device=images.device))


def train_epoch(network: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    """One pass over the loader; returns the mean loss and the accuracy, as training scripts print them."""
    network.train()
    total, correct, count = 0.0, 0, 0
    for images, labels in loader:
        logits = network(augment(images))
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(labels), count + len(labels)
        correct += int((logits.argmax(1) == labels).sum())
    return total / count, correct / count


def loader(images: Tensor, labels: Tensor, batch: int, shuffle: bool = True) -> DataLoader:
    return DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=shuffle, num_workers=0)


def test(network: nn.Module, data: DataLoader) -> float:
    """Accuracy in [0, 1]."""
    network.eval()
    correct = count = 0
    for images, labels in data:
        correct += int((network(images).argmax(1) == labels).sum())
        count += len(labels)
    return correct / count


def whitening(images: Tensor, regularization: float) -> tuple[Tensor, Tensor]:
    """ZCA of float images (N, C, H, W): mean (D,) and matrix (D, D)."""
    flat = images.flatten(1)
    mean = flat.mean(0)
    centred = flat - mean
    vectors, values, _ = torch.linalg.svd(centred.T @ centred / (len(flat) - 1))
    return mean, vectors @ torch.diag((values + regularization).rsqrt()) @ vectors.T


def augment(images: Tensor) -> Tensor:
    """One of the six DSA operations, drawn for the batch."""
    operations = (color, crop, cutout, flip, scale, rotate)
    return operations[int(torch.randint(len(operations), ()))](images)


def color(images: Tensor) -> Tensor:
    count = len(images)
    images = images + (torch.rand(count, 1, 1, 1, device=images.device) - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * torch.rand(count, 1, 1, 1, device=images.device)) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (torch.rand(count, 1, 1, 1, device=images.device) + 0.5) + mean


def crop(images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    most = round(0.125 * height)
    padded = F.pad(images, (most, most, most, most))
    tops, lefts = torch.randint(2 * most + 1, (2, count)).tolist()
    return torch.stack(
        [
            padded[i, :, top : top + height, left : left + width]
            for i, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
    )


def cutout(images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    mask = torch.ones(count, 1, height, width, device=images.device)
    rows, columns = torch.randint(height + 1, (2, count)).tolist()
    half = height // 4
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        mask[i, :, max(row - half, 0) : row + half, max(column - half, 0) : column + half] = 0
    return images * mask


def flip(images: Tensor) -> Tensor:
    return torch.where(torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5, images.flip(3), images)


def scale(images: Tensor) -> Tensor:
    factors = torch.empty(len(images), 2).uniform_(1 / 1.2, 1.2).tolist()
    return _warp(images, [[[x, 0, 0], [0, y, 0]] for x, y in factors])


def rotate(images: Tensor) -> Tensor:
    angles = torch.empty(len(images)).uniform_(-math.pi / 12, math.pi / 12).tolist()
    return _warp(images, [[[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0]] for a in angles])


def _warp(images: Tensor, transforms: list[list[list[float]]]) -> Tensor:
    grid = F.affine_grid(torch.tensor(transforms, device=images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
