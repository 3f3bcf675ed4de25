import copy

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import labelled, normal
from torch import nn

from seqmatch import config
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training.gradients import EAGER, Gradients, loss_gradient
from seqmatch.training.inference import accuracy, is_finite
from seqmatch.training.loop import (
    Phase,
    Position,
    Stage,
    batches,
    images_seen,
    learning_rate,
    make_phases,
    train,
    train_joined,
    train_through,
)
from seqmatch.transforms import cutmix, dsa

SETTINGS = config.Training(batch_size=5, momentum=0.9, weight_decay=1e-3, decay_at=[0.5], decay_factor=0.1)


def network(norm="instance", name="net"):
    return build(config.Architecture(family="convnet", width=4, depth=2, norm=norm), (1, 8, 8), 3, Seed(name))


def stage(step_size=0.05, name="x"):
    return Stage(*labelled(name=name), step_size)


def learn(net, epochs, data=None, settings=SETTINGS, operations=(), seed="t", gradients=EAGER):
    """Train on one stage."""
    train_through(net, [Phase(data or stage(), epochs, settings, Seed(seed))], operations, gradients)


def same(left, right):
    return all(torch.equal(p, q) for p, q in zip(left.state_dict().values(), right.state_dict().values(), strict=True))


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("operations", [[], ["crop", "color"]])
def test_training_is_pytorchs_sgd_step_by_step(norm, operations):
    ours, theirs = network(norm), network(norm)
    learn(ours, 4, operations=operations)

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], gamma=0.1)
    data = stage()
    for epoch in range(4):
        generator = (Seed("t") / epoch).generator()
        for batch in torch.randperm(12, generator=generator).split(5):
            images = dsa.apply(dsa.draw(operations, len(batch), generator), data.images[batch])
            optimizer.zero_grad()
            F.cross_entropy(theirs(images), data.labels[batch]).backward()
            optimizer.step()
        schedule.step()
    for left, right in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.allclose(left, right, rtol=1e-5, atol=1e-7)


def test_momentum_may_begin_anew_at_each_decay():
    """As PyTorch's SGD does when a new optimiser takes over, whether or not training is resumed there."""
    settings = config.Training(batch_size=12, momentum=0.9, decay_at=[0.4, 0.8], decay_factor=0.5, decay_restarts=True)
    ours, theirs, data = network().double(), network().double(), Stage(labelled()[0].double(), labelled()[1], 0.05)
    phases = [Phase(data, 5, settings, Seed("t"))]
    for position in train(ours, phases, ()):
        if position.epoch == 2:
            break
    velocities = tuple(velocity.clone() for velocity in position.velocities)
    for _ in train_joined([ours], [phases], (), position=Position(0, 2, velocities)):
        pass
    for epochs, rate in ((2, 0.05), (2, 0.025), (1, 0.0125)):
        optimizer = torch.optim.SGD(theirs.parameters(), lr=rate, momentum=0.9)
        for _ in range(epochs):
            optimizer.zero_grad()
            F.cross_entropy(theirs(data.images), data.labels).backward()
            optimizer.step()
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(left, right, rtol=1e-12, atol=1e-14)


def test_the_published_schedule_can_be_set():
    """E + 1 epochs for E = 1000, of which 502 come before the decay."""
    settings = config.Evaluation(epochs=1001, decay_at=[0.501])
    rates = [learning_rate(1.0, settings, epoch, settings.epochs) for epoch in range(1001)]
    assert rates == [1.0] * 502 + [0.1] * 499


def test_cut_and_mixed_batches_are_learned_by_their_shares_of_classes():
    """Written out: the loss of a mixed batch is the mix of the losses of both labels."""
    settings = config.Training(batch_size=6, cutmix=0.7)
    ours, theirs, data = network(), network(), stage()
    learn(ours, 5, settings=settings)
    optimizer, mixed = torch.optim.SGD(theirs.parameters(), lr=0.05), 0
    for epoch in range(5):
        generator = (Seed("t") / epoch).generator()
        for batch in torch.randperm(12, generator=generator).split(6):
            images, labels = data.images[batch], data.labels[batch]
            cut = cutmix.draw(0.7, 6, generator)
            both, targets = cutmix.apply(cut, images, labels, 3)
            optimizer.zero_grad()
            logits = theirs(both)
            loss = F.cross_entropy(logits, labels)
            if cut is not None and not torch.equal(both, images):
                other = labels[cut.partners]
                share = ((targets[labels != other] * F.one_hot(labels, 3)[labels != other]).sum(1)).mean()
                loss = share * loss + (1 - share) * F.cross_entropy(logits, other)
                mixed += 1
            loss.backward()
            optimizer.step()
    assert mixed >= 3
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-6)


def test_batches_are_mixed_also_where_the_last_class_is_missing():
    data = Stage(normal(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), 0.05)
    net = network()
    learn(net, 2, data, settings=config.Training(batch_size=4, cutmix=1))
    assert is_finite(net)


class Gated(nn.Module):
    """Its last layer is a convolution, and a linear one is not the last."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.gate = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 3, 1), nn.Linear(4, 4)

    def forward(self, images):
        seen = self.body(images)
        gate = self.gate(seen.mean((2, 3))).sigmoid()[:, :, None, None]
        return self.head(seen * gate).mean((2, 3))


def test_batches_are_mixed_for_any_network():
    with torch.random.fork_rng(devices=[]):
        net = Gated()
    learn(net, 2, settings=config.Training(batch_size=4, cutmix=1))
    assert is_finite(net) and net.training


def test_the_composed_form_draws_as_many_operations_as_there_are():
    """Written out for one step."""
    ours, theirs, data = network(), network(), stage()
    operations = ["color", "crop", "flip", "rotate"]
    learn(ours, 1, settings=config.Training(batch_size=12, augmentation_form="composed"), operations=operations)
    generator = (Seed("t") / 0).generator()
    order = torch.randperm(12, generator=generator)
    draws = dsa.draw_composed(operations, 12, generator)
    assert len(draws) == 3
    gradients = loss_gradient(theirs, dsa.apply(draws, data.images[order]), data.labels[order])
    for left, right, gradient in zip(ours.parameters(), theirs.parameters(), gradients, strict=True):
        assert torch.allclose(left, right - 0.05 * gradient, atol=1e-7)


def test_soft_labels_that_say_one_class_are_hard_labels():
    hard, soft = network(), network()
    data = stage()
    learn(hard, 3, data)
    learn(soft, 3, Stage(data.images, F.one_hot(data.labels, 3).float(), data.step_size))
    for left, right in zip(hard.parameters(), soft.parameters(), strict=True):
        assert torch.allclose(left, right, rtol=1e-5, atol=1e-7)


def test_an_epoch_of_some_images_takes_others_each_time():
    seen = []

    def gradient(net, images, labels):
        seen.append(images)
        return loss_gradient(net, images, labels)

    phase = Phase(stage(), 3, config.Training(batch_size=4), Seed("t"), images=4)
    train_through(network(), [phase], [], Gradients(lambda full: gradient))
    assert [len(images) for images in seen] == [4, 4, 4] and not torch.equal(seen[0], seen[1])
    assert images_seen([phase]) == 12


def test_augmentation_of_the_settings_takes_the_place_of_the_datas():
    ours, theirs = network(), network()
    learn(ours, 2, settings=SETTINGS.model_copy(update={"augmentation": []}), operations=["crop"])
    learn(theirs, 2, operations=[])
    assert same(ours, theirs)


def test_epochs_say_how_large_a_full_minibatch_is():
    sizes = []
    learn(network(), 2, gradients=Gradients(lambda full: sizes.append(full) or loss_gradient))
    learn(
        network(),
        1,
        settings=config.Training(batch_size=50),
        gradients=Gradients(lambda full: sizes.append(full) or loss_gradient),
    )
    assert sizes == [5, 5, 12]


def test_training_learns():
    net = network()
    before = accuracy(net, *labelled())
    learn(net, 30, settings=config.Training(momentum=0.9))
    assert accuracy(net, *labelled()) > max(before, 0.9)


def test_equal_seeds_train_to_equal_bits():
    results = []
    for name in ("a", "a", "b"):
        net = network()
        learn(net, 3, operations=["scale", "cutout"], seed=name)
        results.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_learning_rate_decays_at_fractions_of_the_epochs():
    settings = config.Training(decay_at=[0.5, 0.8], decay_factor=0.1)
    rates = [learning_rate(1.0, settings, epoch, 10) for epoch in range(10)]
    assert rates == pytest.approx([1.0] * 5 + [0.1] * 3 + [0.01] * 2)


@pytest.mark.parametrize(("at", "epochs", "first"), [(0.5, 5, 3), (0.5, 1, 1), (0.57, 100, 57), (0.29, 100, 29)])
def test_learning_rate_decays_no_earlier_than_it_should(at, epochs, first):
    settings = config.Training(decay_at=[at])
    rates = [learning_rate(1.0, settings, epoch, epochs) for epoch in range(epochs)]
    assert rates == pytest.approx([1.0] * first + [0.1] * (epochs - first))


def test_no_image_is_left_alone_in_a_batch():
    assert [len(batch) for batch in batches(torch.arange(11), 5)] == [5, 6]
    assert [len(batch) for batch in batches(torch.arange(12), 5)] == [5, 5, 2]
    assert torch.equal(torch.cat(batches(torch.arange(11), 5)), torch.arange(11))
    tiny_maps = build(config.Architecture(family="vgg11", width=2, norm="batch"), (1, 8, 8), 3, Seed("n"))
    learn(tiny_maps, 1, settings=config.Training(batch_size=11))


def test_a_curriculum_is_its_stages_in_turn():
    together, apart = network(), network()
    stages = [stage(0.05, "one"), stage(0.02, "two")]
    phases = make_phases(stages, config.Evaluation(epochs=2), Seed("t"))
    positions = list(train(together, phases, ["crop"]))
    for index, part in enumerate(stages):
        train_through(apart, [Phase(part, 2, config.Evaluation(epochs=2), Seed("t") / index)], ["crop"])
    assert same(together, apart)
    moments = [(position.phase, position.epoch, position.last) for position in positions]
    assert moments == [(k, e, (k, e) == (1, 2)) for k in (0, 1) for e in (0, 1, 2)]


def test_momentum_may_go_on_from_stage_to_stage():
    """As PyTorch's SGD does when one optimiser goes through all of them."""
    settings = config.Evaluation(epochs=2, batch_size=12, decay_at=[], momentum_restarts=False, weight_decay=0.0)
    ours, theirs = network().double(), network().double()
    stages = [Stage(labelled(name=name)[0].double(), labelled()[1], rate) for name, rate in (("a", 0.05), ("b", 0.02))]
    train_through(ours, make_phases(stages, settings, Seed("t")), ())
    velocities = [torch.zeros_like(parameter) for parameter in theirs.parameters()]
    for part in stages:
        for _ in range(2):
            loss = F.cross_entropy(theirs(part.images), part.labels)
            gradients = torch.autograd.grad(loss, list(theirs.parameters()))
            with torch.no_grad():
                for parameter, velocity, gradient in zip(theirs.parameters(), velocities, gradients, strict=True):
                    velocity.mul_(0.9).add_(gradient)
                    parameter.sub_(velocity, alpha=part.step_size)
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(left, right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("continues", [False, True])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_training_goes_on_from_any_position_bit_for_bit(norm, continues):
    phases = [Phase(stage(0.05, name), 2, SETTINGS, Seed("t") / name, continues=continues) for name in ("one", "two")]
    whole = network(norm)
    moments = [(p, copy.deepcopy((p.velocities, whole.state_dict()))) for p in train(whole, phases, ["color"])]
    assert len(moments) == 6
    for position, (velocities, tensors) in moments:
        resumed = network(norm, "other")
        resumed.load_state_dict(tensors)
        start = Position(position.phase, position.epoch, velocities)
        rest = list(train_joined([resumed], [phases], ["color"], position=start))
        assert same(whole, resumed)
        assert len(rest) == 5 - [p for p, _ in moments].index(position)
