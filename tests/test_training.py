import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, labelled, normal

from seqmatch import augment, config
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training import Stage, accuracy, batches, instance_losses, is_finite, learning_rate, train, train_through

SETTINGS = config.Training(batch_size=5, momentum=0.9, weight_decay=1e-3, decay_at=[0.5], decay_factor=0.1)


def network(norm="instance", name="net"):
    return build(config.Network(family="convnet", width=4, depth=2, norm=norm), (1, 8, 8), 3, Seed(name))


def stage(step_size=0.05, name="x"):
    return Stage(*labelled(name=name), step_size)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("operations", [[], ["crop", "color"]])
def test_training_is_pytorchs_sgd_step_by_step(norm, operations):
    ours, theirs = network(norm), network(norm)
    train(ours, stage(), 4, SETTINGS, operations, Seed("t"))

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], gamma=0.1)
    data = stage()
    for epoch in range(4):
        generator = (Seed("t") / epoch).generator()
        for batch in torch.randperm(12, generator=generator).split(5):
            images = augment.apply(augment.draw(operations, len(batch), generator), data.images[batch])
            optimizer.zero_grad()
            F.cross_entropy(theirs(images), data.labels[batch]).backward()
            optimizer.step()
        schedule.step()
    for left, right in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.allclose(left, right, rtol=1e-5, atol=1e-7)


def test_training_learns():
    net = network()
    before = accuracy(net, *labelled())
    train(net, stage(), 30, config.Training(momentum=0.9), [], Seed("t"))
    assert accuracy(net, *labelled()) > max(before, 0.9)


def test_equal_seeds_train_to_equal_bits():
    results = []
    for name in ("a", "a", "b"):
        net = network()
        train(net, stage(), 3, SETTINGS, ["scale", "cutout"], Seed(name))
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
    tiny_maps = build(config.Network(family="vgg11", width=2, norm="batch"), (1, 8, 8), 3, Seed("n"))
    train(tiny_maps, stage(), 1, config.Training(batch_size=11), [], Seed("t"))


def test_a_curriculum_is_its_stages_in_turn():
    together, apart = network(), network()
    stages = [stage(0.05, "one"), stage(0.02, "two")]
    calls = []
    train_through(together, stages, 2, SETTINGS, ["crop"], Seed("t"), lambda s, e: calls.append((s, e)))
    for index, part in enumerate(stages):
        train(apart, part, 2, SETTINGS, ["crop"], Seed("t") / index)
    assert all(torch.equal(p, q) for p, q in zip(together.parameters(), apart.parameters(), strict=True))
    assert calls == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_divergence_is_noticed():
    net = network("none")
    assert is_finite(net)
    train(net, stage(1e30), 3, SETTINGS, [], Seed("t"))
    assert not is_finite(net)


def test_accuracy_and_losses_against_one_image_at_a_time():
    net = build(TINY, (1, 8, 8), 3, Seed("n"))
    images, labels = normal(130, 1, 8, 8), torch.arange(130) % 3
    logits = torch.stack([net(image[None])[0] for image in images]).detach()
    assert accuracy(net, images, labels) == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    expected = logits.logsumexp(1) - logits[torch.arange(130), labels]
    assert torch.allclose(instance_losses(net, images, labels), expected, atol=1e-5)


def test_testing_uses_running_statistics_and_changes_none():
    net = network("batch")
    train(net, stage(), 2, SETTINGS, [], Seed("t"))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images, labels = labelled(name="test")
    alone = [accuracy(net, images[i : i + 1], labels[i : i + 1]) for i in range(len(labels))]
    assert accuracy(net, images, labels) == pytest.approx(sum(alone) / len(alone))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
