from functools import partial

import pytest
import torch
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member, always_eager, train_ensemble
from seqmatch.training.loop import Phase, Stage

SETTINGS = config.Training(batch_size=5, momentum=0.9)
SPEC = config.Architecture(family="convnet", width=4, depth=2, norm="batch")


def members():
    """Three networks with two phases each, of unequal lengths."""
    phases = [
        Phase(Stage(*labelled(name=name), 0.05), epochs, SETTINGS, Seed(name)) for name, epochs in (("a", 3), ("b", 2))
    ]
    return [Member(partial(build, SPEC, (1, 8, 8), 3, Seed(i)), phases) for i in range(3)]


def parameters(network, position):
    """Recorded at every second epoch."""
    return torch.cat([p.flatten() for p in network.parameters()]) if position.epoch % 2 == 0 else None


def train(checkpoint, record=parameters, gradients_for=always_eager):
    return train_ensemble(members(), record, ["color"], gradients_for, checkpoint, "test")


def same(left, right):
    return len(left) == len(right) and all(
        len(a.records) == len(b.records) and all(map(torch.equal, a.records, b.records))
        for a, b in zip(left, right, strict=True)
    )


def test_records_are_those_asked_for():
    trained = train(NoCheckpoint())
    assert [len(member.records) for member in trained] == [4, 4, 4]  # epochs 0 and 2 of either phase
    assert not torch.equal(trained[0].records[0], trained[1].records[0])
    assert all(member.seconds > 0 for member in trained)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7, 8, 13, 20])
def test_interrupted_anywhere_it_ends_with_the_same_bits(tmp_path, after):
    """Every position of a network is one call: 0 … 3 of the first phase, 0 … 2 of the second."""
    calls = []

    def stop(network, position):
        calls.append(position)
        if len(calls) > after:
            raise KeyboardInterrupt
        return parameters(network, position)

    with pytest.raises(KeyboardInterrupt):
        train(Checkpoint(tmp_path, "work", 0), stop)
    calls.clear()

    def count(network, position):
        calls.append(position)
        return parameters(network, position)

    resumed = train(Checkpoint(tmp_path, "work", 0), count)
    assert len(calls) == 21 - after
    assert same(resumed, train(NoCheckpoint()))
    assert all(member.seconds > 0 for member in resumed)


def test_finished_work_is_resumed_whole(tmp_path):
    whole = train(Checkpoint(tmp_path, "work", 0))
    calls = []
    assert same(whole, train(Checkpoint(tmp_path, "work", 0), lambda *arguments: calls.append(arguments)))
    assert not calls


def test_gradients_are_those_for_all_images_however_much_is_done_already(tmp_path):
    counts = []

    def gradients_for(images):
        counts.append(images)
        return always_eager(images)

    for _ in ("whole", "resumed"):
        train(Checkpoint(tmp_path, "work", 0), gradients_for=gradients_for)
    assert counts == [3 * 12 * (3 + 2)] * 2
