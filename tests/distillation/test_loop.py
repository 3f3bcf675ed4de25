from functools import partial

import pytest
import torch
from helpers.distilling import distilled
from helpers.tiny import FOUR, TINY, labelled, normal

from seqmatch import config
from seqmatch.config.methods import OBJECTIVES
from seqmatch.distillation.alignment import alignment_step
from seqmatch.distillation.condensation import condensation_step
from seqmatch.distillation.distribution import distribution_step
from seqmatch.distillation.gradient import gradient_step
from seqmatch.distillation.loop import Restarts, State, distill, undistilled
from seqmatch.distillation.optimizers import OPTIMIZERS
from seqmatch.distillation.trajectory import minibatches, trajectory_step
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.matching.dispatch import best_unroll
from seqmatch.matching.match import Match
from seqmatch.networks import build, structure
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.synthetic.subset import Subset
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.loop import Phase, Stage

CPU = torch.device("cpu")
UPDATES = {"iterations": 6, "snapshots": 3, "optimizer": "adam", "lr_images": 0.05}
"""What settings of all objectives have in common here."""
SETTINGS = config.TrajectoryMatching(
    synthetic_steps=3, expert_epochs=1, max_start_epoch=3, lr_step_size=0.002, **UPDATES
)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    path = tmp_path_factory.mktemp("experts") / "shard0.safetensors"
    recipe = config.Experts(architecture="convnet", batch_size=6)
    real = Stage(*labelled(per_class=20, name="real"), 0.05)
    members = [
        Member(partial(build, TINY, (1, 8, 8), 3, Seed("e", i)), [Phase(real, 3, recipe, Seed("e", i))])
        for i in range(2)
    ]
    save_shard(path, record_trajectories(members, []), {})
    return path


def initial(name="init"):
    return Subset(*labelled(per_class=1, name=name), step_size=0.05)


NETWORK = structure(TINY, (1, 8, 8), 3)


def way(mode):
    """How to match in `mode`."""
    return best_unroll(NETWORK, mode, [256, 64], 3, 3, 1, CPU)


def run(shard, folder, settings=SETTINGS, prefix=(), start=None, seconds=1e9, match=None):
    start = start or initial()
    labels = torch.cat([subset.labels for subset in (*prefix, start)])
    batch = settings.synthetic_batch or len(start.labels)
    with Trajectories([shard]) as trajectories:
        step = trajectory_step(
            trajectories, match or way("never"), labels, batch, settings, ["color", "crop"], Seed("d")
        )
        return distilled(start, prefix, step, settings, Checkpoint(folder, "work", seconds), CPU)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_parts_of_the_iterations_are_the_whole_bit_for_bit(shard, tmp_path, ema):
    """Each goes on from the tensors that the one before left, as rounds do."""
    settings = SETTINGS.model_copy(update={"ema": ema})
    left = {}
    with Trajectories([shard]) as trajectories:
        for end in (0, 1, 4, 6):
            step = trajectory_step(
                trajectories, way("never"), initial().labels, 3, settings, ["color", "crop"], Seed("d")
            )
            state = State(initial(), settings, CPU)
            if left:
                state.restore(left)
            distill(end, state, [], step, NoCheckpoint())
            left = {name: tensor.clone() for name, tensor in state.tensors().items()}
            assert state.done == end
    whole = run(shard, tmp_path, settings)
    assert same(state.snapshots(), whole)
    now, last = state.subset(), whole.subset(-1)
    assert torch.equal(now.images, last.images) and now.step_size == last.step_size


def same(left, right):
    """Whether snapshots are equal to the bit."""
    tensors, others = left.tensors(), right.tensors()
    return (
        left.parameterisation == right.parameterisation
        and tensors.keys() == others.keys()
        and all(torch.equal(tensors[name], others[name]) for name in tensors)
    )


def test_snapshots_begin_with_the_initial_images_and_differ(shard, tmp_path):
    snapshots = run(shard, tmp_path)
    assert snapshots.iterations.tolist() == [0, 2, 4, 6]
    assert torch.equal(snapshots.images[0], initial().images)
    assert all((a != b).any() for a, b in zip(snapshots.images, snapshots.images[1:], strict=False))
    assert len(snapshots.matching_losses) == len(snapshots.step_size_course) == 6
    assert snapshots.step_size_course[0] == 0.05 and snapshots.step_sizes[0] == 0.05


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_matching_loss_falls(shard, tmp_path, optimizer):
    rates = {"sgd": {"lr_images": 20.0, "lr_step_size": 1e-4}, "adam": {"lr_images": 0.05, "lr_step_size": 0.002}}
    settings = SETTINGS.model_copy(update={"iterations": 60, "optimizer": optimizer, **rates[optimizer]})
    losses = run(shard, tmp_path, settings).matching_losses
    assert losses[-15:].mean() < losses[:15].mean()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_updates_are_pytorchs_optimisers(optimizer):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer})
    step, start = OPTIMIZERS[optimizer]
    ours = normal(4, 3).double()
    theirs = ours.clone().requires_grad_()
    state = start(ours)
    reference = {
        "sgd": lambda: torch.optim.SGD([theirs], lr=0.1, momentum=0.5),
        "adam": lambda: torch.optim.Adam([theirs], lr=0.1),
    }[optimizer]()
    for i in range(5):
        gradient = normal(4, 3, name=f"g{i}").double()
        step(ours, gradient, state, 0.1, settings)
        theirs.grad = gradient.clone()
        reference.step()
    assert torch.allclose(ours, theirs.detach(), rtol=1e-12)


def test_equal_seeds_give_equal_bits(shard, tmp_path):
    assert same(run(shard, tmp_path / "a"), run(shard, tmp_path / "b"))


def interrupted(match, after):
    """The same, until it is called once more than `after` times."""
    calls = []

    def call(*arguments):
        calls.append(None)
        if len(calls) > after:
            raise KeyboardInterrupt
        return match(*arguments)

    return call


def recorded(match, matches):
    """The same, with what it returns also in `matches`."""
    return lambda *arguments: matches.append(match(*arguments)) or matches[-1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_run_goes_on_bit_for_bit(shard, tmp_path, optimizer, after):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer})
    whole = run(shard, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        run(shard, tmp_path / "parts", settings, seconds=0, match=interrupted(way("never"), after))
    matches = []
    resumed = run(shard, tmp_path / "parts", settings, seconds=0, match=recorded(way("never"), matches))
    assert len(matches) == 6 - after
    assert same(whole, resumed)


@pytest.mark.slow
def test_an_interrupted_compiled_run_goes_on_bit_for_bit(shard, tmp_path):
    """Compiled anew in the second half, the code is the same."""
    whole = run(shard, tmp_path / "whole", match=way("always"))
    with pytest.raises(KeyboardInterrupt):
        run(shard, tmp_path / "parts", seconds=0, match=interrupted(way("always"), 3))
    torch.compiler.reset()
    assert same(whole, run(shard, tmp_path / "parts", seconds=0, match=way("always")))


def test_several_experts_per_step_average_their_gradients(shard, tmp_path):
    matches = []
    settings = SETTINGS.model_copy(
        update={"iterations": 1, "snapshots": 1, "experts_per_step": 3, "optimizer": "sgd", "lr_images": 2.0}
    )
    snapshots = run(shard, tmp_path, settings, match=recorded(way("never"), matches))
    assert len(matches) == 3 and len({match.loss for match in matches}) > 1
    mean = sum(match.image_gradient for match in matches) / 3
    assert torch.allclose(snapshots.images[1], snapshots.images[0] - 2.0 * mean, atol=1e-6)
    assert float(snapshots.matching_losses[0]) == pytest.approx(sum(match.loss for match in matches) / 3)
    step_size = 0.05 - 0.002 * sum(match.step_size_gradient for match in matches) / 3
    assert float(snapshots.step_sizes[1]) == pytest.approx(max(step_size, 0.025))


def test_the_frozen_prefix_stays_as_it_is_and_matters(shard, tmp_path):
    prefix = [Subset(*labelled(per_class=1, name="earlier"), step_size=0.04)]
    before = prefix[0].images.clone()
    with_prefix = run(shard, tmp_path / "a", prefix=prefix)
    assert torch.equal(prefix[0].images, before) and prefix[0].step_size == 0.04
    assert with_prefix.images.shape[1] == 3
    assert not torch.equal(with_prefix.images[-1], run(shard, tmp_path / "b").images[-1])


def test_the_step_size_stays_positive_whatever_its_gradient(shard, tmp_path):
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "lr_images": 1e-3, "lr_step_size": 1e6})
    snapshots = run(shard, tmp_path, settings.model_copy(update={"iterations": 1}))
    assert (snapshots.step_sizes > 0).all()
    state = State(initial(), settings, CPU)
    for _ in range(5):
        state.update(Match(1.0, torch.empty(0), 1.0), {"images": torch.zeros_like(state.stored["images"])})
    assert 0 < float(state.step_size) < 0.05


def test_the_step_size_stays_where_its_objective_does_not_learn_it():
    state = State(initial(), config.DistributionMatching(**UPDATES), CPU)
    for _ in range(3):
        state.update(Match(1.0, torch.empty(0), 1.0), {"images": torch.zeros_like(state.stored["images"])})
    assert float(state.step_size) == 0.05


@pytest.mark.parametrize("soft", [False, True])
def test_without_distillation_the_initial_images_are_all_there_is(tmp_path, soft):
    """As if there were no updates, and a file keeps all of it."""
    subset = Subset(*labelled(per_class=1), 0.05, FOUR, normal(12, 3).softmax(1) if soft else None)
    snapshots = undistilled(subset)
    assert snapshots.iterations.tolist() == [0] and torch.equal(snapshots.images[0], subset.images)
    assert len(snapshots.matching_losses) == len(snapshots.step_size_course) == 0
    settings = SETTINGS.model_copy(update={"iterations": 0})
    assert same(snapshots, distilled(subset, [], None, settings, Checkpoint(tmp_path, "work"), CPU))
    save_snapshots(tmp_path / "s.safetensors", snapshots, {})
    assert same(load_snapshots(tmp_path / "s.safetensors"), snapshots)


def test_a_loss_that_is_not_finite_stops_with_what_to_do(shard, tmp_path):
    start = Subset(initial().images, initial().labels, 1e30)
    with pytest.raises(SeqmatchError, match=r"not finite at iteration 0, step size 1e\+30; lower lr_images"):
        run(shard, tmp_path, start=start)


@pytest.mark.parametrize("part", ["loss", "image_gradient", "step_size_gradient"])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_match_of_any_objective_that_is_not_finite_stops_before_the_update(tmp_path, part, number):
    def step(images, step_size, iteration):
        match = {"loss": 1.0, "image_gradient": torch.ones_like(images), "step_size_gradient": 0.0}
        if iteration == 3:
            match[part] = torch.full_like(images, number) if part == "image_gradient" else number
        return Match(**match)

    checkpoint = Checkpoint(tmp_path, "work", 0)
    with pytest.raises(SeqmatchError, match=r"not finite at iteration 3, step size 0\.05; lower lr_images"):
        distilled(initial(), [], step, SETTINGS.model_copy(update={"lr_step_size": 0.0}), checkpoint, CPU)
    state = checkpoint.load()
    assert state["matching_losses"].tolist() == [1.0] * 3 and state["live.images"].isfinite().all()


def test_an_update_that_overflows_stops_also_in_the_last_iteration(shard, tmp_path, monkeypatch):
    _, start = OPTIMIZERS["adam"]
    monkeypatch.setitem(OPTIMIZERS, "adam", (lambda tensor, *rest: tensor.fill_(torch.inf), start))
    with pytest.raises(SeqmatchError, match=r"not finite after the update of iteration 0.*lower lr_images"):
        run(shard, tmp_path, SETTINGS.model_copy(update={"iterations": 1}))


def test_experts_that_are_too_short_are_refused(shard, tmp_path):
    with pytest.raises(SeqmatchError, match="experts recorded 3 epochs, but max_start_epoch 4"):
        run(shard, tmp_path, SETTINGS.model_copy(update={"max_start_epoch": 4}))


def test_minibatches_pass_over_everything_again_and_again():
    batches = minibatches(7, 3, 6, Seed("m").generator())
    assert [len(batch) for batch in batches] == [3, 3, 1, 3, 3, 1]
    for one_pass in (batches[:3], batches[3:]):
        assert torch.cat(one_pass).sort().values.tolist() == list(range(7))


def test_snapshots_come_back_from_their_file(shard, tmp_path):
    snapshots = run(shard, tmp_path)
    save_snapshots(tmp_path / "s.safetensors", snapshots, {})
    assert same(load_snapshots(tmp_path / "s.safetensors"), snapshots)


def test_the_kept_images_are_their_moving_average(shard, tmp_path):
    """Written out from the images themselves, which a run without averaging keeps."""
    every = SETTINGS.model_copy(update={"snapshots": 6})
    plain = run(shard, tmp_path / "plain", every).images
    averaged = run(shard, tmp_path / "ema", every.model_copy(update={"ema": 0.9})).images
    expected = [plain[0]]
    for images in plain[1:]:
        expected.append(0.9 * expected[-1] + 0.1 * images)
    assert (averaged - torch.stack(expected)).abs().max() < 1e-6
    assert not torch.equal(averaged[-1], plain[-1])


def test_a_part_ends_so_many_epochs_later_at_the_same_expert(tmp_path):
    experts, asked = [normal(7, 9, name=str(index)) for index in range(3)], []
    save_shard(tmp_path / "shard", experts, {})

    def unroll(start, terminal, images, labels, batches, descent):
        asked.append((start, terminal))
        return Match(0.0, torch.zeros_like(images), 0.0)

    matching = SETTINGS.model_copy(update={"expert_epochs": 3, "max_start_epoch": 4, "experts_per_step": 30})
    with Trajectories([tmp_path / "shard"]) as trajectories:
        step = trajectory_step(trajectories, unroll, initial().labels, 3, matching, [], Seed("d"))
        step(initial().images, 0.1, 0)
    seen = set()
    for start, terminal in asked:
        ((expert, epoch),) = [(i, e) for i in range(3) for e in range(7) if torch.equal(start, experts[i][e])]
        seen.add((expert, epoch))
        assert terminal(experts[expert][epoch + 3], [start.shape])[0] == 0
        assert terminal(start, [start.shape])[0] == 1
    assert {epoch for _, epoch in seen} == {0, 1, 2, 3} and {expert for expert, _ in seen} == {0, 1, 2}


STEPS = {
    "distribution": partial(distribution_step, chunk=32),
    "gradient": partial(gradient_step, together=3),
    "condensation": partial(condensation_step, together=3, learned=["crop", "flip"]),
    "alignment": partial(alignment_step, weights=(0.1, 1, 2), chunk=32),
}
SMALL = {
    "distribution": config.DistributionMatching(real_batch=8, **UPDATES),
    "gradient": config.GradientMatching(real_batch=8, updates_per_network=4, network_epochs=2, **UPDATES),
    "condensation": config.CondensationMatching(real_batch=8, updates_per_network=4, network_images=24, **UPDATES),
    "alignment": config.AlignmentMatching(real_batch=8, updates_per_network=4, network_epochs=2, **UPDATES),
}


@pytest.mark.parametrize("objective", STEPS)
def test_matching_without_trajectories_comes_nearer_and_resumes(tmp_path, objective):
    real, start = labelled(per_class=20, name="real"), Subset(normal(3, 1, 8, 8), torch.arange(3), 0.05)
    settings = SMALL[objective].model_copy(update={"iterations": 80})
    new_network = partial(build, TINY, (1, 8, 8), 3)
    restarts = Restarts(OBJECTIVES[objective].resumes_every(settings))
    assert restarts.every == (1 if objective == "distribution" else 4)

    def run_to(folder, wrap=lambda step: step):
        step = STEPS[objective](real, new_network, start.labels, settings, ["crop", "flip"], Seed("d"))
        return distilled(start, [], wrap(step), settings, Checkpoint(folder, "work", 0), CPU, restarts)

    whole = run_to(tmp_path / "whole")
    assert whole.matching_losses[-16:].mean() < 0.8 * whole.matching_losses[:16].mean()
    assert (whole.step_sizes == 0.05).all()
    with pytest.raises(KeyboardInterrupt):
        run_to(tmp_path / "parts", lambda step: interrupted(step, 18))
    iterations = []

    def counted(step):
        return lambda *arguments: iterations.append(arguments[2]) or step(*arguments)

    assert same(run_to(tmp_path / "parts", counted), whole)
    assert iterations == list(range(18 - 18 % restarts.every, 80))


def test_only_the_last_subset_moves_by_distribution_matching(tmp_path):
    real, prefix, settings = labelled(per_class=20, name="real"), [initial("earlier")], SMALL["distribution"]
    before = prefix[0].images.clone()
    labels = torch.cat([prefix[0].labels, initial().labels])
    step = distribution_step(real, partial(build, TINY, (1, 8, 8), 3), labels, settings, [], Seed("d"), 32)
    snapshots = distilled(initial(), prefix, step, settings, Checkpoint(tmp_path, "work"), CPU)
    assert torch.equal(prefix[0].images, before) and snapshots.images.shape[1] == 3
    assert not torch.equal(snapshots.images[0], snapshots.images[-1])
