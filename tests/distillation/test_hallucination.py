"""HaBa: trajectory matching through hallucinators, which an adversary keeps apart."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.distilling import distilled
from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.distillation.hallucination import adversary_loss, hallucination_step, through_one_each
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.loop import Restarts
from seqmatch.distillation.trajectory import minibatches, trajectory_step
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.contrast import class_contrast, likeness
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.match import Match, pull_back
from seqmatch.matching.unrolled import one_graph
from seqmatch.networks import build, structure
from seqmatch.seeds import Seed
from seqmatch.synthetic import hallucinators
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.loop import Phase, Stage

SHAPE, CLASSES = (1, 8, 8), 3
FRESH = partial(build, TINY, SHAPE, CLASSES)
STUDENT = classifier(structure(TINY, SHAPE, CLASSES))
SETTINGS = config.HallucinationMatching(
    parameterisation="hallucinators",
    hallucinators=3,
    iterations=6,
    snapshots=2,
    synthetic_steps=3,
    expert_epochs=1,
    max_start_epoch=2,
    optimizer="adam",
    lr_images=0.05,
    lr_decoder=0.01,
    lr_step_size=0.001,
    lr_adversary=0.1,
    updates_per_network=2,
)


def start(per_class=2):
    real, part = labelled(per_class=per_class), Part([per_class], 1)
    return initial_subset(real, part, SETTINGS, lambda members, label: members, Seed("s"))


def step_of(settings, labels, trajectories, augmentation=()):
    draw = partial(through_one_each, settings.hallucinators)
    about = settings, augmentation, Seed("d")
    matched = trajectory_step(trajectories, partial(one_graph, STUDENT), labels, 4, *about, draw)
    return hallucination_step(matched, FRESH, labels, 4, *about)


@pytest.fixture
def experts(tmp_path):
    path, recipe = tmp_path / "shard0.safetensors", config.Experts(architecture="convnet", batch_size=6)
    real = Stage(*labelled(per_class=20, name="real"), 0.05)
    members = [Member(partial(FRESH, Seed("e", i)), [Phase(real, 2, recipe, Seed("e", i))]) for i in range(2)]
    save_shard(path, record_trajectories(members, []), {})
    with Trajectories([path]) as trajectories:
        yield trajectories


def test_a_step_sees_each_image_through_the_same_hallucinator():
    batches = through_one_each(5, 40, 3, 20, Seed("b").generator())
    seen = torch.cat([batch // 5 for batch in batches[:3]])
    assert sorted(seen.tolist()) == list(range(8))  # a pass over the stored images
    assert all(len(set((batch % 5).tolist())) == 1 for batch in batches)
    assert {int(batch[0]) % 5 for batch in batches} == set(range(5))


def test_one_hallucinator_that_changes_nothing_is_trajectory_matching(experts):
    settings = SETTINGS.model_copy(update={"hallucinators": 1, "lr_adversary": 0.0})
    images, labels = labelled(per_class=2)
    identity = {
        **{name: torch.ones(1, 1, 1, 1, 1) for name in ("encoder", "decoder")},
        **{name: torch.zeros(1, 1) for name in ("encoder_bias", "decoder_bias")},
        "scale": torch.ones(1, 1, 8, 8),
        "shift": torch.zeros(1, 1, 8, 8),
    }
    leaf = images.clone().requires_grad_()
    decoded = hallucinators.decode(leaf, identity)
    ours = step_of(settings, labels, experts)(decoded.detach(), 0.1, 0)
    about = settings, (), Seed("d")
    theirs = trajectory_step(experts, partial(one_graph, STUDENT), labels, 4, *about)(images, 0.1, 0)
    (gradient,) = pull_back(decoded, ours.image_gradient, leaf)
    assert ours.loss == theirs.loss and torch.equal(gradient, theirs.image_gradient)


def test_what_keeps_hallucinators_apart_is_added(experts):
    subset = start()
    images, labels = subset.decoded()
    plain = step_of(SETTINGS.model_copy(update={"lr_adversary": 0.0}), labels, experts)(images, 0.1, 0)
    ours = step_of(SETTINGS, labels, experts)(images, 0.1, 0)
    (index,) = minibatches(6, 4, 1, generator := (Seed("d") / 0 / "views").generator())
    first, second = torch.randperm(3, generator=generator)[:2].tolist()
    leaf, network = images.clone().requires_grad_(), FRESH(Seed("d") / 0)
    seen = [torch.nn.Sequential(*list(network)[:-1])(leaf[3 * index + one]).flatten(1) for one in (first, second)]
    alike = (0.5 + F.cosine_similarity(*seen) / 2).mean()
    assert ours.loss - plain.loss == pytest.approx(0.1 * alike.item(), rel=1e-4)
    (gradient,) = torch.autograd.grad(0.1 * alike, leaf)
    torch.testing.assert_close(ours.image_gradient - plain.image_gradient, gradient, rtol=1e-3, atol=1e-7)
    assert ours.step_size_gradient == plain.step_size_gradient


def test_the_contrast_of_classes_pair_by_pair():
    first, second = normal(5, 4, dtype=torch.float64), normal(5, 4, name="second", dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 2, 1])
    views = [*zip(first, labels.tolist(), strict=True), *zip(second, labels.tolist(), strict=True)]

    def likelihood(one, other):
        return math.exp(F.cosine_similarity(one, other, dim=0).item() / 0.07)

    total = 0.0
    for i, (one, label) in enumerate(views):
        others = [(likelihood(one, other), theirs) for j, (other, theirs) in enumerate(views) if j != i]
        among = sum(weight for weight, _ in others)
        alike = [math.log(weight / among) for weight, theirs in others if theirs == label]
        total -= sum(alike) / len(alike) / len(views)
    assert class_contrast(first, second, labels).item() == pytest.approx(total, rel=1e-10)


def test_likeness_is_one_for_the_same_direction_and_zero_for_the_opposite():
    one = normal(3, 4)
    assert likeness(one, 2 * one).item() == pytest.approx(1) and likeness(one, -one).item() == pytest.approx(
        0, abs=1e-6
    )


def test_the_adversary_learns_classes_and_that_views_are_alike():
    network, (images, labels) = FRESH(Seed("n")), labelled(per_class=4)
    views, both = torch.cat([images, images + normal(*images.shape)]), labels.repeat(2)
    optimizer, losses = torch.optim.SGD(network.parameters(), 0.05, 0.9), []
    for _ in range(40):
        optimizer.zero_grad()
        loss = adversary_loss(network, views, both)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert adversary_loss(network, views, F.one_hot(both, 3).float()).isfinite()


def test_a_run_that_is_killed_goes_on_bit_for_bit(tmp_path, experts):
    """States are saved between two adversaries alone; the decoder is kept with the images."""
    subset, restarts = start(), Restarts(every=SETTINGS.updates_per_network)

    def run(checkpoint, until=math.inf):
        step = step_of(SETTINGS, subset.decoded()[1], experts, ("crop", "color"))

        def killed(images, step_size, iteration) -> Match:
            if iteration >= until:
                raise KeyboardInterrupt
            return step(images, step_size, iteration)

        return distilled(subset, [], killed, SETTINGS, checkpoint, torch.device("cpu"), restarts)

    whole = run(NoCheckpoint())
    with pytest.raises(KeyboardInterrupt):
        run(Checkpoint(tmp_path, "work", 0), until=5)
    again = run(Checkpoint(tmp_path, "work", 0))
    save_snapshots(tmp_path / "s.safetensors", again, {})
    for found in again, load_snapshots(tmp_path / "s.safetensors"):
        assert all(torch.equal(tensor, found.tensors()[name]) for name, tensor in whole.tensors().items())
    assert whole.decoder["scale"].shape == (3, 3, 1, 6, 6)
    assert all(not torch.equal(tensor[0], tensor[2]) for tensor in whole.decoder.values())
