"""DATM: start epochs in a range that grows, labels that are learned, updates that are skipped."""

from functools import partial

import pytest
import torch
from helpers.distilling import distilled
from helpers.tiny import FOUR, TINY, labelled, normal

from benchmarks.plain import flat_parameters
from seqmatch import config
from seqmatch.distillation.coresets import classified_order, random_order
from seqmatch.distillation.learned_labels import LabelState
from seqmatch.distillation.loop import State, is_skipped
from seqmatch.distillation.optimizers import OPTIMIZERS
from seqmatch.distillation.soft_labels import mean_prediction, prediction_of_right_ones
from seqmatch.distillation.trajectory import picks, start_epochs, trajectory_step
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.match import Match, is_finite
from seqmatch.matching.unrolled import Descent, distance, one_graph
from seqmatch.networks import build, structure
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.synthetic.subset import Subset
from seqmatch.training.experts import Trajectories, save_shard
from seqmatch.training.inference import classified

CPU = torch.device("cpu")
SHAPE, CLASSES = (1, 8, 8), 3
FRESH = partial(build, TINY, SHAPE, CLASSES)
STUDENT = classifier(structure(TINY, SHAPE, CLASSES))
BRIEF = {
    "iterations": 6,
    "snapshots": 3,
    "optimizer": "adam",
    "lr_images": 0.05,
    "lr_step_size": 0.002,
    "synthetic_steps": 3,
    "expert_epochs": 1,
    "max_start_epoch": 3,
}
MTT = config.TrajectoryMatching(**BRIEF)
DATM = config.RangedMatching(**BRIEF, soft_labels=True, lr_labels=0.5)


@pytest.fixture(scope="module")
def experts(tmp_path_factory):
    path = tmp_path_factory.mktemp("experts") / "shard.safetensors"
    start = flat_parameters(FRESH(Seed("n")))
    ways = [0.02 * normal(6, len(start), name=f"e{index}").cumsum(0) for index in range(2)]
    save_shard(path, [start + way for way in ways], {})
    with Trajectories([path]) as trajectories:
        yield trajectories


def subset(name="init", shares=True, **changes):
    images, labels = labelled(per_class=1, name=name)
    soft = (4 * normal(3, CLASSES, name=name)).softmax(1) if shares else None
    return Subset(images, labels, 0.05, soft_labels=soft, **changes)


def run(experts, settings, start, prefix=(), checkpoint=None, wrap=lambda step: step):
    labels = torch.cat([part.decoded()[1] for part in (*prefix, start)])
    step = trajectory_step(experts, partial(one_graph, STUDENT), labels, 2, settings, ["color"], Seed("d"))
    return distilled(start, prefix, wrap(step), settings, checkpoint or NoCheckpoint(), CPU)


def same(left, right):
    tensors, others = left.tensors(), right.tensors()
    return tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in tensors)


@pytest.mark.parametrize("shares", [False, True])
def test_without_range_and_learned_labels_it_is_mtt_to_the_bit(experts, shares):
    """Labels that stay, of one class each or shares."""
    settings = DATM.model_copy(update={"soft_labels": shares, "lr_labels": 0.0, "initial_max_start_epoch": 3})
    assert same(run(experts, settings, subset(shares=shares)), run(experts, MTT, subset(shares=shares)))


def test_with_large_logits_it_is_mtt(experts):
    """Softmax has no slope there: labels stay what they are, the classes, whatever their rate."""
    start = subset(shares=False)
    one_hot = (50 * torch.nn.functional.one_hot(start.labels)).float().softmax(1)
    learned = run(experts, DATM, Subset(start.images, start.labels, 0.05, soft_labels=one_hot))
    assert torch.allclose(learned.images, run(experts, MTT, start).images, rtol=1e-4, atol=1e-4)
    assert torch.allclose(learned.learned_labels[-1], one_hot, rtol=1e-5, atol=1e-6)


def test_the_range_grows_from_its_first_end_to_its_last():
    settings = DATM.model_copy(
        update={"min_start_epoch": 2, "initial_max_start_epoch": 4, "max_start_epoch": 9, "expansion_iterations": 10}
    )
    ends = [start_epochs(settings, iteration).stop for iteration in range(12)]
    assert ends == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9] and start_epochs(settings, 0).start == 2
    for iteration, expected in ((0, {2, 3}), (4, {2, 3, 4, 5}), (1000, {2, 3, 4, 5, 6, 7, 8})):
        drawn = (picks(Seed(i), 1, settings, torch.arange(3), 3, [], iteration) for i in range(60))
        assert {pick.start_epoch for found in drawn for pick in found} == expected
    assert start_epochs(MTT, 7) == range(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_start_epoch": 3}, "min_start_epoch = 3: expected less than max_start_epoch, 3"),
        ({"min_start_epoch": 1, "initial_max_start_epoch": 1}, "expected less than initial_max_start_epoch, 1"),
        ({"initial_max_start_epoch": 4}, "initial_max_start_epoch = 4: expected at most max_start_epoch, 3"),
    ],
)
def test_a_range_without_epochs_is_refused(experts, changes, message):
    with pytest.raises(SeqmatchError, match=message):
        run(experts, DATM.model_copy(update=changes), subset())


def test_labels_follow_the_exact_gradient_for_their_logits():
    """Central differences along a random direction, in float64."""
    network = FRESH(Seed("s")).double()
    start = flat_parameters(network)
    target = start + 0.1 * normal(len(start), name="t").double()
    images, logits = normal(4, *SHAPE).double(), 2 * normal(4, CLASSES, name="l").double()
    batches = [(lambda x, index=index: x[index], index) for index in (torch.tensor([0, 1, 2]), torch.tensor([3, 0]))]

    def match(shares):
        return one_graph(classifier(network), start, distance(start, target), images, shares, batches, Descent(0.3))

    state = LabelState(logits.clone(), torch.zeros_like(logits))
    settings = DATM.model_copy(update={"lr_labels": 1.0, "momentum_labels": 0.0})
    state.update(match(logits.softmax(1)).label_gradient, settings)
    along, h = normal(4, CLASSES, name="v").double(), 1e-5
    ahead, behind = (match((logits + sign * h * along).softmax(1)).loss for sign in (1, -1))
    assert float(((logits - state.logits) * along).sum()) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def test_labels_move_by_pytorchs_sgd():
    """And only those of the subset, the last ones."""
    shares = normal(3, CLASSES).softmax(1)
    state = LabelState.of(Subset(*labelled(per_class=1), 0.1, soft_labels=shares), DATM, CPU)
    assert torch.allclose(state.shares, shares)
    theirs = state.logits.clone().requires_grad_()
    step, start = OPTIMIZERS["sgd"]
    optimizer = start(theirs)
    for i in range(4):
        gradient = normal(5, CLASSES, name=f"g{i}")
        state.update(gradient, DATM)
        (by_logits,) = torch.autograd.grad((theirs.softmax(1) * gradient[2:]).sum(), theirs)
        step(theirs, by_logits, optimizer, 0.5, DATM.model_copy(update={"momentum": 0.9}))
    assert torch.allclose(state.logits, theirs.detach())
    assert torch.allclose(state.shares.sum(1), torch.ones(3))
    with pytest.raises(SeqmatchError, match="learned labels are not finite after an update; lower lr_labels"):
        state.update(1e38 * normal(5, CLASSES), DATM.model_copy(update={"lr_labels": 1e9}))


def test_labels_without_a_share_of_a_class_have_finite_logits():
    shares = torch.tensor([[1.0, 0.0, 0.0]])
    state = LabelState.of(Subset(normal(1, *SHAPE), torch.zeros(1), 0.1, soft_labels=shares), DATM, CPU)
    assert state.logits.isfinite().all() and torch.allclose(state.shares, shares)


@pytest.mark.parametrize("matches", [1, 2])
def test_a_run_that_is_killed_goes_on_bit_for_bit(experts, tmp_path, matches):
    settings = DATM.model_copy(
        update={"experts_per_step": matches, "initial_max_start_epoch": 1, "expansion_iterations": 4}
    )
    prefix = [subset("earlier")]

    def killed(step):
        def call(*arguments):
            if arguments[2] == 4:
                raise KeyboardInterrupt
            return step(*arguments)

        return call

    whole = run(experts, settings, subset(), prefix)
    checkpoint = Checkpoint(tmp_path, "work", 0)
    with pytest.raises(KeyboardInterrupt):
        run(experts, settings, subset(), prefix, checkpoint, killed)
    again = run(experts, settings, subset(), prefix, Checkpoint(tmp_path, "work", 0))
    save_snapshots(tmp_path / "s.safetensors", again, {})
    for found in again, load_snapshots(tmp_path / "s.safetensors"):
        assert same(found, whole)

    assert torch.allclose(whole.subset(0).soft_labels, subset().soft_labels)
    last = whole.subset(3).soft_labels
    assert torch.equal(last, whole.learned_labels[3]) and not torch.equal(last, whole.learned_labels[2])
    assert torch.allclose(last.sum(1), torch.ones(3))
    assert torch.equal(prefix[0].soft_labels, subset("earlier").soft_labels)


def test_labels_of_images_that_are_stored_as_several_are_learned_each(experts):
    start = Subset(*labelled(per_class=1), 0.05, FOUR, normal(12, CLASSES).softmax(1))
    snapshots = run(experts, DATM, start)
    assert snapshots.learned_labels.shape == (4, 12, CLASSES)
    assert (snapshots.learned_labels[-1] != snapshots.learned_labels[0]).any(1).all()
    assert snapshots.subset(3).decoded()[1].shape == (12, CLASSES)


def test_a_skipped_update_changes_nothing_and_counts():
    settings = DATM.model_copy(update={"skip_above": 1.0, "ema": 0.5})
    state = State(subset(), settings, CPU)

    def update(loss):
        gradient = torch.ones_like(state.stored["images"])
        state.update(Match(loss, gradient, 1.0, normal(3, CLASSES, name="g")), {"images": gradient})

    update(1.0)
    before = {name: tensor.clone() for name, tensor in state._live().items()}
    update(1.0001)
    assert all(torch.equal(before[name], tensor) for name, tensor in state._live().items())
    assert {"live.labels", "live.labels.velocity", "live.images.mean", "live.average.images"} < before.keys()
    update(0.5)
    assert not any(torch.equal(before[name], tensor) for name, tensor in state._live().items())
    losses = state.snapshots().matching_losses.tolist()
    assert state.done == len(losses) == 3 and [is_skipped(loss, settings) for loss in losses] == [False, True, False]
    assert not is_skipped(1e9, MTT)


def test_a_label_gradient_that_is_not_finite_is_no_match():
    match = Match(1.0, torch.zeros(2), 0.0, torch.tensor([1.0, torch.nan]))
    assert not is_finite(match) and is_finite(Match(1.0, torch.zeros(2), 0.0, torch.zeros(2)))


def test_images_that_a_network_classifies_come_first():
    members, right = torch.tensor([1, 3, 4, 6, 7]), torch.tensor([0, 1, 0, 0, 1, 0, 1, 1]).bool()
    order = classified_order(right, Seed("o"))(members, 2)
    shuffled = random_order(Seed("o"))(members, 2)
    assert order.tolist() == [i for i in shuffled.tolist() if i != 3] + [3]
    network, (images, labels) = FRESH(Seed("n")), labelled(per_class=4)
    assert torch.equal(classified(network, images, labels), network(images).argmax(1) == labels)


def test_labels_are_those_of_the_networks_that_are_right():
    images, labels = labelled(per_class=4)[0], torch.arange(12) % 3
    networks = [FRESH(Seed("n", index)) for index in (0, 1, 0)]
    logits = [network(images).detach() for network in networks]
    found = prediction_of_right_ones(networks, images, labels)
    right_ones = []
    for i, label in enumerate(labels):
        right = [one[i] for one in logits if one[i].argmax() == label]
        right_ones.append(len(right))
        expected = torch.stack(right or [one[i] for one in logits]).mean(0).softmax(0)
        assert torch.allclose(found[i], expected)
    assert set(right_ones) >= {0, 1, 2}
    assert not torch.allclose(found, mean_prediction(networks, images))
