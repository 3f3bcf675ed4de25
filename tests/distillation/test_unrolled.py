"""DD and RTP: a network that learned from synthetic images is judged on real ones."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.distilling import distilled
from helpers.tiny import TINY, labelled, normal

from benchmarks.plain import flat_parameters, forward
from seqmatch import config
from seqmatch.distillation.loop import clipped
from seqmatch.distillation.unrolled import GROUPS, unrolled_step
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.unrolled import Descent, mean_loss, one_graph
from seqmatch.networks import build, structure
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.synthetic.subset import Subset

CPU = torch.device("cpu")
SHAPE, CLASSES = (1, 8, 8), 3
STUDENT = classifier(structure(TINY, SHAPE, CLASSES))
FRESH = partial(build, TINY, SHAPE, CLASSES)
REAL = labelled(per_class=8, name="real")
SETTINGS = config.UnrolledMatching(
    iterations=6, snapshots=2, synthetic_steps=4, real_batch=4, optimizer="adam", lr_images=0.05, lr_step_size=0.01
)


def step_of(settings, labels, shown=1, augmentation=(), new_network=FRESH):
    unroll = partial(one_graph, STUDENT)
    return unrolled_step(REAL, new_network, unroll, STUDENT, labels, shown, settings, augmentation, Seed("d"), 5)


def images(per_class=2):
    pixels, labels = labelled(per_class=per_class)
    return pixels, labels


def test_the_loss_on_real_images_and_its_gradient_in_chunks():
    network = FRESH(Seed("n")).double()
    theta, (pixels, labels) = flat_parameters(network), (REAL[0].double(), REAL[1])
    loss, gradient = mean_loss(classifier(network), pixels, labels, 5)(theta, [theta.shape])
    leaf = theta.clone().requires_grad_()
    expected = F.cross_entropy(forward(network, leaf, pixels), labels)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0], rtol=1e-10, atol=1e-14)


def test_the_gradient_of_one_step_is_the_closed_form():
    """−α ∂/∂x ⟨∇ℓ(θ_0; x), ∇ℓ_real(θ_1)⟩, θ_1 held fixed."""
    network, (pixels, labels) = FRESH(Seed("n")).double(), images()
    pixels, real, theta = pixels.double(), REAL[0].double(), flat_parameters(network)
    student = classifier(network)
    match = one_graph(
        student,
        theta,
        mean_loss(student, real, REAL[1], 100),
        pixels,
        labels,
        [(lambda x: x, torch.arange(6))],
        Descent(0.3),
    )

    def gradient(at, seen, classes, **how):
        at = at.clone().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(forward(network, at, seen), classes), at, **how)[0]

    leaf = pixels.clone().requires_grad_()
    own = gradient(theta, leaf, labels, create_graph=True)
    judged = gradient(theta - 0.3 * own.detach(), real, REAL[1])
    (expected,) = torch.autograd.grad(-0.3 * (own @ judged), leaf)
    torch.testing.assert_close(match.image_gradient, expected, rtol=1e-9, atol=1e-14)
    assert match.step_size_gradient == pytest.approx(-(own @ judged).item(), rel=1e-9)


def test_what_is_matched_is_the_loss_after_the_steps_of_a_new_network():
    pixels, labels = images()
    settings = SETTINGS.model_copy(update={"student_momentum": 0.9, "order": "fixed", "real_batch": 8})
    match = step_of(settings, labels)(pixels, 0.1, 3)
    network = FRESH(Seed("d") / 3 / "network")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for index in ([0, 2, 4], [1, 3, 5], [0, 2, 4], [1, 3, 5]):
        optimizer.zero_grad()
        F.cross_entropy(network(pixels[index]), labels[index]).backward()
        optimizer.step()
    assert match.loss == pytest.approx(F.cross_entropy(network(REAL[0]), REAL[1]).item(), rel=1e-4)


@pytest.mark.parametrize("order", GROUPS)
def test_each_step_takes_as_many_images_of_each_class(order):
    members = torch.arange(12).view(3, 4)
    groups = GROUPS[order](members, 2, 5, Seed("g").generator())
    assert len(groups) == 5
    for first, second in zip(groups[::2], groups[1::2], strict=False):  # a pass over all
        assert sorted(torch.cat([first, second]).tolist()) == list(range(12))
        assert (first // 4).bincount().tolist() == [2, 2, 2]
    assert (order == "fixed") == torch.equal(groups[0], groups[2])


def test_images_that_no_step_would_see_are_refused():
    three = SETTINGS.model_copy(update={"order": "fixed", "synthetic_batch": 1, "synthetic_steps": 3})
    assert not three.unseen(1, 3) and "4 images of each class take 4 steps" in three.unseen(1, 4)
    assert not three.model_copy(update={"synthetic_batch": None}).unseen(2, 6)  # two at a time
    assert not three.model_copy(update={"order": "random"}).unseen(1, 9)


@pytest.mark.parametrize("step_sizes", ["one", "each"])
@pytest.mark.parametrize("order", GROUPS)
def test_a_run_that_is_killed_goes_on_bit_for_bit(tmp_path, order, step_sizes):
    settings = SETTINGS.model_copy(update={"order": order, "step_sizes": step_sizes, "clip": 0.5})
    start = Subset(*images(), 0.1)
    step = step_of(settings, start.labels, augmentation=("crop", "color"))

    def killed(*arguments):
        if arguments[-1] == 4:
            raise KeyboardInterrupt
        return step(*arguments)

    whole = distilled(start, [], step, settings, NoCheckpoint(), CPU)
    with pytest.raises(KeyboardInterrupt):
        distilled(start, [], killed, settings, Checkpoint(tmp_path, "work", 0), CPU)
    again = distilled(start, [], step, settings, Checkpoint(tmp_path, "work", 0), CPU)
    save_snapshots(tmp_path / "s.safetensors", again, {})
    for found in again, load_snapshots(tmp_path / "s.safetensors"):
        assert all(torch.equal(tensor, found.tensors()[name]) for name, tensor in whole.tensors().items())
    if step_sizes == "each":
        assert whole.rates.shape == (3, 4) and not torch.equal(whole.rates[2, 0], whole.rates[2, 1])
        torch.testing.assert_close(whole.step_sizes, whole.rates.mean(1))
        assert torch.equal(whole.subset(2).rates, whole.rates[2])
    else:
        assert whole.rates is None and whole.step_sizes[2] != whole.step_sizes[0]


def test_a_student_learns_more_from_the_images_that_come_out():
    settings = SETTINGS.model_copy(update={"iterations": 40, "real_batch": 8, "step_sizes": "each", "order": "fixed"})
    start = Subset(*images(1), 0.05)
    snapshots = distilled(start, [], step_of(settings, start.labels), settings, NoCheckpoint(), CPU)
    before, after = snapshots.matching_losses[:5].mean(), snapshots.matching_losses[-5:].mean()
    assert after < 0.8 * before


def test_gradients_that_are_too_long_together_are_shortened():
    gradients = {"a": normal(4, 5), "b": normal(3)}
    assert clipped(gradients, None) is gradients
    norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    for largest, factor in ((1e6, 1.0), (0.5, 0.5 / norm)):
        found = clipped(gradients, largest)
        for name, gradient in gradients.items():
            torch.testing.assert_close(found[name], factor * gradient)
