import pytest
import torch
from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training.inference import accuracy, instance_losses, is_finite
from seqmatch.training.loop import Phase, Stage, train_through


def learned(norm, step_size=0.05):
    """A network after three epochs."""
    network = build(TINY.model_copy(update={"norm": norm}), (1, 8, 8), 3, Seed("net"))
    phase = Phase(Stage(*labelled(), step_size), 3, config.Training(batch_size=5, momentum=0.9), Seed("t"))
    train_through(network, [phase], [])
    return network


def test_divergence_is_noticed():
    assert is_finite(learned("none"))
    assert not is_finite(learned("none", 1e30))


def test_accuracy_and_losses_against_one_image_at_a_time():
    network = build(TINY, (1, 8, 8), 3, Seed("n"))
    images, labels = normal(130, 1, 8, 8), torch.arange(130) % 3
    logits = torch.stack([network(image[None])[0] for image in images]).detach()
    assert accuracy(network, images, labels) == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    expected = logits.logsumexp(1) - logits[torch.arange(130), labels]
    assert torch.allclose(instance_losses(network, images, labels), expected, atol=1e-5)


def test_testing_uses_running_statistics_and_changes_none():
    network = learned("batch")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images, labels = labelled(name="test")
    alone = [accuracy(network, images[i : i + 1], labels[i : i + 1]) for i in range(len(labels))]
    assert accuracy(network, images, labels) == pytest.approx(sum(alone) / len(alone))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
