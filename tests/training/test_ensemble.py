from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training import ensemble
from seqmatch.training.ensemble import Member, always_eager, train_ensemble
from seqmatch.training.gradients import EAGER, Gradients
from seqmatch.training.loop import Phase, Stage, train, train_joined
from seqmatch.training.sharpness import sharpness_aware

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


def joined(most):
    """Eager, with so many networks as one at most."""
    return lambda images: Gradients(EAGER.of, lambda full: most)


def trained(checkpoint, record=parameters, gradients_for=always_eager):
    return train_ensemble(members(), record, ["color"], gradients_for, checkpoint, "test")


def same(left, right):
    return len(left) == len(right) and all(
        len(a.records) == len(b.records) and all(map(torch.equal, a.records, b.records))
        for a, b in zip(left, right, strict=True)
    )


def test_records_are_those_asked_for():
    found = trained(NoCheckpoint())
    assert [len(member.records) for member in found] == [4, 4, 4]  # epochs 0 and 2 of either phase
    assert not torch.equal(found[0].records[0], found[1].records[0])
    assert all(member.seconds > 0 for member in found)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7, 8, 13, 20])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_interrupted_anywhere_it_ends_with_the_same_bits(tmp_path, after, most):
    """Every position of a network is one call: 0 … 3 of the first phase, 0 … 2 of the second."""
    calls = []
    alone = {1: 21, 2: 7, 3: 0}[most]  # of the calls; the others are of groups
    saved = min(after, alone) + max(after - alone, 0) // most * most

    def stop(network, position):
        calls.append(position)
        if len(calls) > after:
            raise KeyboardInterrupt
        return parameters(network, position)

    with pytest.raises(KeyboardInterrupt):
        trained(Checkpoint(tmp_path, "work", 0), stop, joined(most))
    calls.clear()

    def count(network, position):
        calls.append(position)
        return parameters(network, position)

    resumed = trained(Checkpoint(tmp_path, "work", 0), count, joined(most))
    assert len(calls) == 21 - saved  # what a group had begun to record of a moment is recorded anew
    assert same(resumed, trained(NoCheckpoint(), gradients_for=joined(most)))
    assert all(member.seconds > 0 for member in resumed)


def test_finished_work_is_resumed_whole(tmp_path):
    whole = trained(Checkpoint(tmp_path, "work", 0))
    calls = []
    assert same(whole, trained(Checkpoint(tmp_path, "work", 0), lambda *arguments: calls.append(arguments)))
    assert not calls


def test_gradients_are_those_for_all_images_however_much_is_done_already(tmp_path):
    counts = []

    def gradients_for(images):
        counts.append(images)
        return always_eager(images)

    for _ in ("whole", "resumed"):
        trained(Checkpoint(tmp_path, "work", 0), gradients_for=gradients_for)
    assert counts == [3 * 12 * (3 + 2)] * 2


def various(norm="instance", **changes):
    """Five members that differ in all in which members that are trained as one may, in float64."""
    settings = config.Evaluation(batch_size=5, epochs=4, decay_at=[0.5], decay_restarts=True, **changes)
    spec = SPEC.model_copy(update={"norm": norm})

    def stage(i, phase):
        images, labels = labelled(name=f"{i} {phase}")
        return Stage(images.double(), labels.roll(i), 0.02 * (i + 1))

    return [
        Member(
            lambda i=i: build(spec, (1, 8, 8), 3, Seed(i)).double(),
            [Phase(stage(i, k), 4, settings, Seed(i) / k, continues=k > 0) for k in range(2)],
        )
        for i in range(5)
    ]


@pytest.mark.parametrize(
    "changes", [{}, {"cutmix": 0.5}, {"augmentation_form": "composed"}, {"weight_decay": 0.0, "momentum": 0.0}]
)
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_networks_trained_as_one_are_those_trained_alone(norm, changes):
    together = various(norm, **changes)
    networks = [member.start() for member in together]
    operations = ["color", "crop", "rotate"]
    for _ in train_joined(networks, [member.phases for member in together], operations):
        pass
    for member, network in zip(together, networks, strict=True):
        alone = member.start()
        for _ in train(alone, member.phases, operations):
            pass
        state = network.state_dict()
        for name, tensor in alone.state_dict().items():
            assert name.endswith("num_batches_tracked") or torch.allclose(state[name], tensor, rtol=1e-9, atol=1e-12)


def test_a_network_that_diverges_leaves_those_beside_it_alone():
    def ends(step_size):
        together = various()
        first = [replace(phase, stage=replace(phase.stage, step_size=step_size)) for phase in together[0].phases]
        networks = [member.start() for member in together]
        for _ in train_joined(networks, [first, *(member.phases for member in together[1:])], []):
            pass
        return [torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks]

    diverged, others = ends(1e200), ends(0.01)
    assert not diverged[0].isfinite().all() and others[0].isfinite().all()
    assert all(map(torch.equal, diverged[1:], others[1:]))


def test_neighbours_that_are_alike_are_trained_as_one():
    def groups(found, most=16):
        return [list(group) for group in ensemble._groups(found, joined(most)(0))]

    alike = various()
    assert groups(alike) == [[0, 1, 2, 3, 4]]
    assert groups(alike, 4) == [[0, 1], [2, 3, 4]]
    assert groups(alike, 1) == [[0], [1], [2], [3], [4]]
    assert groups([replace(member, lot=i // 2) for i, member in enumerate(alike)]) == [[0, 1], [2, 3], [4]]
    assert groups([*alike, *various(momentum=0.8)]) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    for changes in (
        {"descent": partial(sharpness_aware, rho=0.1, alpha=0.2)},
        {"epochs": 3},
        {"images": 4},
        {"continues": False},
        {"stage": Stage(torch.zeros(6, 1, 8, 8), torch.zeros(6).long(), 0.1)},
    ):
        other = replace(alike[2], phases=[alike[2].phases[0], replace(alike[2].phases[1], **changes)])
        assert groups([*alike[:2], other, *alike[3:]]) == [[0, 1], [2], [3, 4]], changes
    assert groups([alike[0], replace(alike[1], phases=alike[1].phases[:1])]) == [[0], [1]]
