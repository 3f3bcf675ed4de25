import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.distilling import distilled
from helpers.tiny import FOUR, TINY, labelled, normal

from seqmatch import config
from seqmatch.data.normalization import Standardization
from seqmatch.distillation import condensation
from seqmatch.distillation.condensation import MEASURES, condensation_step
from seqmatch.distillation.loop import Restarts
from seqmatch.distillation.optimizers import sgd_step
from seqmatch.files.checkpoint import NoCheckpoint
from seqmatch.matching.dispatch import classes_at_once
from seqmatch.matching.gradient import match_gradient
from seqmatch.matching.match import Match
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode
from seqmatch.synthetic.subset import Subset
from seqmatch.transforms import dsa

CPU = torch.device("cpu")
SETTINGS = config.CondensationMatching(real_batch=4, updates_per_network=3, network_images=32, lr_images=0.5)
DISTANCES = {"squared": lambda a, b: ((a - b) ** 2).sum(), "absolute": lambda a, b: (a - b).abs().sum()}


@pytest.fixture
def problem():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, _ = labelled(per_class=5, name="real")
    images, labels = labelled(per_class=2)
    members = torch.stack([(labels == label).nonzero().squeeze(1) for label in range(3)])
    return network, real.double().unflatten(0, (3, 5)), images.double(), members


def one_class(network, real, images, label, distance):
    """The distance of the convolutions' gradients of one class, by ordinary autograd."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    parts = []
    for x, create_graph in ((real, False), (images, True)):
        loss = F.cross_entropy(network(x), torch.full((len(x),), label))
        parts.append(torch.autograd.grad(loss, weights, create_graph=create_graph))
    return sum(DISTANCES[distance](a, b) for a, b in zip(*parts, strict=True))


@pytest.mark.parametrize("together", [3, 1, 2])
@pytest.mark.parametrize("distance", ["squared", "absolute"])
def test_loss_and_gradient_against_class_by_class(problem, distance, together):
    network, real, images, members = problem
    match = match_gradient(network, real, images, members, lambda x: x, MEASURES[distance], together)
    leaf = images.clone().requires_grad_()
    loss = sum(one_class(network, real[c], leaf[members[c]], c, distance) for c in range(3))
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert match.loss == pytest.approx(loss.item(), rel=1e-9)
    assert (match.image_gradient - gradient).abs().max() < 1e-9 * gradient.abs().max()


def test_one_update_for_all_classes_is_the_published_one_class_after_class(problem):
    """Momentum moves the images of a class also while the others have their turn: a longer step, and less momentum."""
    network, real, start, members = problem
    classes, rate, momentum = 3, 0.4, 0.5
    published, velocity, gradients = start.clone(), torch.zeros_like(start), []
    for _ in range(4):
        for label in range(classes):
            leaf = published[members[label]].requires_grad_()
            loss = one_class(network, real[label], leaf, label, "squared")
            gradient = torch.zeros_like(start)
            gradient[members[label]] = torch.autograd.grad(loss, leaf)[0]
            gradients.append(gradient[members[label]])
            velocity = momentum * velocity + gradient
            published = published - rate * velocity
    factor = (1 - momentum**classes) / (1 - momentum)
    settings = config.Matching(momentum=momentum**classes)
    images, state = start.clone(), {"velocity": torch.zeros_like(start)}
    for sweep in range(4):
        gradient = match_gradient(network, real, images, members, lambda x: x, MEASURES["squared"], 3).image_gradient
        for label in range(classes):
            expected = gradients[sweep * classes + label]
            assert (gradient[members[label]] - expected).abs().max() < 1e-9 * expected.abs().max()
        sgd_step(images, gradient, state, rate * factor, settings)


def test_the_composed_form_applies_all_but_one_geometric_operation():
    every = ["color", "crop", "cutout", "flip", "scale", "rotate"]
    draws = [dsa.draw_composed(every, 1, Seed("c", i).generator()) for i in range(60)]
    assert {draw[2].operation for draw in draws} == {"crop", "scale", "rotate"}
    assert all([draw[i].operation for i in (0, 1, 3)] == ["flip", "color", "cutout"] for draw in draws)
    assert [draw.operation for draw in dsa.draw_composed(["crop"], 1, Seed("c").generator())] == ["crop"]
    images = normal(4, 3, 8, 8)
    expected = images
    for each in draws[0]:
        expected = dsa.apply([each], expected)
    assert torch.equal(dsa.apply(draws[0], images), expected)
    assert dsa.draw_composed([], 1, Seed("c").generator()) == []


def test_the_network_passes_over_real_images_between_iterations(monkeypatch):
    """Written out with PyTorch's own optimiser, whose momentum lives as long as the network."""
    learner = config.Training(batch_size=8, momentum=0.9, weight_decay=5e-4)
    settings = SETTINGS.model_copy(update={"learner": learner})
    real, networks = labelled(per_class=20, name="real"), []

    def record(network, *arguments):
        networks.append(copy.deepcopy(network))
        return Match(0.0, torch.zeros(3, 1, 8, 8), 0.0)

    monkeypatch.setattr(condensation, "match_gradient", record)
    step = condensation_step(real, partial(build, TINY, (1, 8, 8), 3), torch.arange(3), settings, [], Seed("d"), 3, [])
    for iteration in range(4):
        step(normal(3, 1, 8, 8), 0.05, iteration)
    network = build(TINY, (1, 8, 8), 3, Seed("d", 0, "network"))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for iteration in range(3):
        for ours, theirs in zip(networks[iteration].parameters(), network.parameters(), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        order = torch.randperm(60, generator=Seed("d", 0, "learn", iteration).generator())[:32]
        for batch in order.split(8):
            optimizer.zero_grad()
            F.cross_entropy(network(real[0][batch]), real[1][batch]).backward()
            optimizer.step()
    fresh = build(TINY, (1, 8, 8), 3, Seed("d", 3, "network"))
    assert all(torch.equal(a, b) for a, b in zip(networks[3].parameters(), fresh.parameters(), strict=True))


def distillation(start, prefix, settings, wrap=lambda step: step):
    labels = torch.cat([subset.decoded()[1] for subset in (*prefix, start)])
    real = labelled(per_class=20, name="real")
    step = condensation_step(
        real, partial(build, TINY, (1, 8, 8), 3), labels, settings, ["crop"], Seed("d"), 3, ["crop"]
    )
    restarts = Restarts(settings.updates_per_network)
    return distilled(start, prefix, wrap(step), settings, NoCheckpoint(), CPU, restarts)


def test_the_match_moves_stored_images_through_their_cells():
    """One plain SGD step is the step's gradient for the decoded images, pulled back by autograd."""
    start = Subset(normal(3, 1, 8, 8), torch.arange(3), 0.05, FOUR)
    settings = SETTINGS.model_copy(update={"iterations": 1, "momentum": 0.0})
    matches = []

    def recorded(step):
        def call(*arguments):
            matches.append((arguments[0], step(*arguments)))
            return matches[-1][1]

        return call

    snapshots = distillation(start, [], settings, recorded)
    ((images, match),) = matches
    leaf = start.images.clone().requires_grad_()
    decoded = decode(leaf, 2)
    assert torch.equal(images, decoded.detach()) and match.image_gradient.abs().max() > 0
    (gradient,) = torch.autograd.grad(decoded, leaf, match.image_gradient)
    assert torch.allclose(snapshots.images[-1], start.images - 0.5 * gradient, atol=1e-6)


def test_a_later_subset_moves_alone_and_the_loss_sees_the_earlier_ones():
    earlier = Subset(normal(3, 1, 8, 8, name="e"), torch.arange(3), 0.05, FOUR)
    start = Subset(normal(3, 1, 8, 8), torch.arange(3), 0.05, FOUR)
    settings = SETTINGS.model_copy(update={"iterations": 3})
    before = earlier.images.clone()
    alone, joined = distillation(start, [], settings), distillation(start, [earlier], settings)
    assert torch.equal(earlier.images, before)
    assert joined.images.shape == alone.images.shape
    assert (joined.matching_losses != alone.matching_losses).all()
    assert not torch.equal(joined.images[-1], start.images)


def test_no_more_synthetic_images_than_asked_for_are_matched(monkeypatch):
    batches = []

    def record(network, real, images, members, *others):
        batches.append(members)
        return Match(0.0, torch.zeros_like(images), 0.0)

    monkeypatch.setattr(condensation, "match_gradient", record)
    settings = SETTINGS.model_copy(update={"synthetic_batch": 3})
    labels = torch.arange(3).repeat_interleave(5)
    real = labelled(per_class=20, name="real")
    step = condensation_step(real, partial(build, TINY, (1, 8, 8), 3), labels, settings, [], Seed("d"), 3, [])
    for iteration in range(2):
        step(normal(15, 1, 8, 8), 0.05, iteration)
    assert all(index.shape == (3, 3) and (labels[index] == torch.arange(3)[:, None]).all() for index in batches)
    assert not torch.equal(*batches)


def test_fewer_classes_at_once_where_images_are_large():
    assert classes_at_once(64, 128, [128 * 1024, 128 * 256, 128 * 64], 320_010, CPU) == 1
    assert classes_at_once(64, 8, [16 * 64, 16 * 16], 3_000, CPU) >= 20
    assert classes_at_once(64, 8, [16 * 64, 16 * 16], 2**25, CPU) == 1


def test_few_classes_are_no_batch():
    """Four would fit, but take longer than one after the other."""
    assert classes_at_once(64, 10, [32 * 14 * 14, 32 * 7 * 7, 32 * 3 * 3], 21_000, CPU) == 1
    assert classes_at_once(64, 2, [32 * 14 * 14, 32 * 7 * 7, 32 * 3 * 3], 21_000, CPU) == 5


def test_images_are_brought_back_to_where_real_ones_lie_whenever_the_network_changes():
    """Every update makes all pixels of the stored images darker."""
    statistics = Standardization(torch.tensor([0.4]), torch.tensor([0.2]))
    black, white = -2.0, 3.0
    start = Subset(4 * normal(3, 1, 8, 8), torch.arange(3), 0.05, FOUR)
    assert start.images.min() < black and start.images.max() > white
    settings = SETTINGS.model_copy(update={"iterations": 6, "snapshots": 6, "momentum": 0.0})
    batches = []

    def step(images, step_size, iteration):
        batches.append(images)
        return Match(0.0, torch.full_like(images, 0.01), 0.0)

    restarts = Restarts(settings.updates_per_network, statistics.clamp)
    snapshots = distilled(start, [], step, settings, NoCheckpoint(), CPU, restarts)
    for iteration, (images, stored) in enumerate(zip(batches, snapshots.images[:6], strict=True)):
        assert stored.min() < black  # so that it matters whether they are brought back
        expected = stored.clamp(black, white) if iteration in (0, 3) else stored
        assert torch.allclose(images, decode(expected, 2), atol=1e-6)


def test_the_learner_takes_cutmix_in_place_of_cutout(monkeypatch):
    phases = []
    monkeypatch.setattr(condensation, "train", lambda network, given, *others: phases.extend(given) or iter([None]))
    monkeypatch.setattr(condensation, "match_gradient", lambda *given: Match(0.0, torch.zeros(3, 1, 8, 8), 0.0))
    real = labelled(per_class=20, name="real")
    new_network = partial(build, TINY, (1, 8, 8), 3)
    condensation_step(real, new_network, torch.arange(3), SETTINGS, [], Seed("d"), 3, ["cutout", "crop"])(
        normal(3, 1, 8, 8), 0.05, 0
    )
    (phase,) = phases
    assert phase.settings.augmentation == ["crop"] and phase.settings.cutmix == 0.5
    assert phase.settings.augmentation_form == "composed" and phase.images == 32
