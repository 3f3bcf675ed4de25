"""The step that each objective makes of a problem."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.flops import Counted
from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.config.methods import OBJECTIVES, Images
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization
from seqmatch.distillation import (
    alignment,
    condensation,
    distribution,
    gradient,
    hallucination,
    kernel,
    trajectory,
    unrolled,
)
from seqmatch.distillation.step import Problem, some, some_of_each
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.dispatch import best_unroll, classes_at_once
from seqmatch.matching.match import Match
from seqmatch.networks import activations, build, count_operations, structure
from seqmatch.planning.costs import Work
from seqmatch.runtime.budget import chunk_size
from seqmatch.seeds import Seed
from seqmatch.training.experts import Trajectories, save_shard

CPU = torch.device("cpu")
SHAPE, CLASSES, SEED = (1, 8, 8), 3, Seed("d")
FRESH = partial(build, TINY, SHAPE, CLASSES)
PARAMETERS = sum(parameter.numel() for parameter in FRESH(Seed("n")).parameters())
MAKERS = {
    "trajectory": trajectory.make_step,
    "hallucination": hallucination.make_step,
    "gradient": gradient.make_step,
    "distribution": distribution.make_step,
    "condensation": condensation.make_step,
    "unrolled": unrolled.make_step,
    "kernel": kernel.make_step,
    "alignment": alignment.make_step,
}
BRIEF = {"iterations": 4, "initial_step_size": 0.05}
SECTIONS = {
    "trajectory": config.TrajectoryMatching(synthetic_steps=3, expert_epochs=1, max_start_epoch=2, **BRIEF),
    "hallucination": config.HallucinationMatching(
        hallucinators=2, synthetic_steps=3, expert_epochs=1, max_start_epoch=2, **BRIEF
    ),
    "gradient": config.GradientMatching(real_batch=4, network_epochs=2, **BRIEF),
    "distribution": config.DistributionMatching(real_batch=4, **BRIEF),
    "condensation": config.CondensationMatching(real_batch=4, synthetic_batch=2, network_images=24, **BRIEF),
    "unrolled": config.UnrolledMatching(real_batch=4, synthetic_steps=3, **BRIEF),
    "kernel": config.KernelMatching(real_batch=4, kernel_depth=1, **BRIEF),
    "alignment": config.AlignmentMatching(real_batch=4, updates_per_network=2, network_epochs=2, **BRIEF),
}


@pytest.fixture(scope="module")
def experts(tmp_path_factory):
    path = tmp_path_factory.mktemp("experts") / "shard.safetensors"
    save_shard(path, [0.1 * normal(3, PARAMETERS, name=f"e{index}") for index in range(4)], {})
    with Trajectories([path]) as trajectories:
        yield trajectories


def make_problem(section, experts, earlier=0):
    """Two images per class of S_k, and as many of earlier subsets as asked for."""
    images, labels = labelled(per_class=20, name="real")
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(50), "validation": torch.arange(0), "test": torch.arange(50, 60)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ("crop", "color"))
    subsets = [torch.arange(3).repeat_interleave(count) for count in (earlier, 2)]
    return Problem(dataset, TINY, section, torch.cat(subsets), 6, experts, SEED, CPU, compile="never")


def bits(step, labels, iterations=3):
    """What a step answers for random images."""
    matches = [step(normal(len(labels), *SHAPE, name=f"x{index}"), 0.05, index) for index in range(iterations)]
    return [(match.loss, match.image_gradient.tolist(), match.step_size_gradient) for match in matches]


def declared_step(objective, problem):
    assert OBJECTIVES[objective].step == f"{MAKERS[objective].__module__}:make_step"
    return MAKERS[objective](problem)


@pytest.mark.parametrize("objective", ["gradient", "distribution", "condensation"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_operations_are_counted_as_pytorch_counts_those_of_an_iteration(objective, earlier, experts, monkeypatch):
    """Of a network's only update, one class after the other: products of several classes at once count otherwise."""
    monkeypatch.setattr("seqmatch.distillation.step.classes_at_once", lambda *sizes: 1)
    section = SECTIONS[objective]
    if "updates_per_network" in type(section).model_fields:
        section = section.model_copy(update={"updates_per_network": 1})
    problem = make_problem(section, experts, earlier)
    problem = replace(problem, dataset=replace(problem.dataset, augmentation=()))
    step, images = MAKERS[objective](problem), normal(len(problem.labels), *SHAPE)
    with Counted() as counted:
        step(images, 0.05, 0)
    work = Work(*count_operations(TINY, SHAPE, CLASSES))
    passes = OBJECTIVES[objective].cost(section, Images(CLASSES, 50, 6, len(problem.labels), 64))
    assert work.all_of(passes).operations == pytest.approx(counted.total, rel=0.02)


def test_a_small_class_gives_what_it_has_again_and_again():
    few, many = torch.tensor([7, 8, 9]), torch.arange(100, 200)
    drawn = some_of_each([few, many], 8, Seed("s").generator())
    assert drawn.shape == (2, 8) and drawn[0].bincount().max() == 3 and set(drawn[0].tolist()) == {7, 8, 9}
    assert len(set(drawn[1].tolist())) == 8
    assert some_of_each([few, few], 8, Seed("s").generator()).shape == (2, 3)


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("batch", [None, 4])
def test_a_student_sees_as_many_images_per_step_as_the_subset_has_unless_set(experts, earlier, batch):
    section = SECTIONS["trajectory"].model_copy(update={"synthetic_batch": batch})
    problem = make_problem(section, experts, earlier)
    network = structure(TINY, SHAPE, CLASSES)
    match = best_unroll(network, "never", activations(TINY, SHAPE, CLASSES), batch or 6, 3, 4, CPU)
    expected = trajectory.trajectory_step(experts, match, problem.labels, batch or 6, section, ("crop", "color"), SEED)
    labels = problem.labels
    assert bits(declared_step("trajectory", problem), labels) == bits(expected, labels)


@pytest.mark.parametrize("batch", [None, 2])
def test_a_student_sees_as_many_stored_images_through_a_hallucinator_as_the_subset_has_unless_set(experts, batch):
    """Of the three classes, each has two decoded images of one that is stored."""
    section = SECTIONS["hallucination"].model_copy(update={"synthetic_batch": batch})
    problem, size, sizes = make_problem(section, experts, 2), batch or 3, activations(TINY, SHAPE, CLASSES)
    unroll = best_unroll(structure(TINY, SHAPE, CLASSES), "never", sizes, size, 3, 4, CPU)
    draw, about = partial(hallucination.through_one_each, 2), (section, ("crop", "color"))
    matched = trajectory.trajectory_step(experts, unroll, problem.labels, size, *about, SEED, draw)
    expected = hallucination.hallucination_step(matched, FRESH, problem.labels, size, *about, SEED / "adversary")
    assert bits(declared_step("hallucination", problem), problem.labels) == bits(expected, problem.labels)


def test_the_gradient_of_tesla_is_chosen_by_its_key(experts):
    exact = SECTIONS["trajectory"].model_copy(update={"synthetic_steps": 1})
    for steps, alike in ((1, True), (3, False)):
        section = exact.model_copy(update={"synthetic_steps": steps})
        problem = make_problem(section, experts)
        cut = make_problem(section.model_copy(update={"adjoint": "first-order"}), experts)
        steps_of = (declared_step("trajectory", each) for each in (problem, cut))
        ours, theirs = (step(normal(6, *SHAPE), 0.1, 0) for step in steps_of)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert torch.allclose(ours.image_gradient, theirs.image_gradient, rtol=1e-3, atol=1e-6) == alike


@pytest.mark.parametrize("augmented", [True, False])
def test_distributions_are_matched_in_fresh_networks(experts, augmented):
    section = SECTIONS["distribution"].model_copy(update={"augment_matching": augmented})
    problem = make_problem(section, None, earlier=1)
    operations = ("crop", "color") if augmented else ()
    chunk = chunk_size(section.real_batch * CLASSES, activations(TINY, SHAPE, CLASSES), CPU)
    about = section, operations, SEED, chunk
    expected = distribution.distribution_step(problem.real(), FRESH, problem.labels, *about)
    assert bits(declared_step("distribution", problem), problem.labels) == bits(expected, problem.labels)


@pytest.mark.parametrize("augmented", [True, False])
def test_regression_is_on_the_union_without_any_network(augmented):
    section = SECTIONS["kernel"].model_copy(update={"augment_matching": augmented})
    problem = make_problem(section, None, earlier=1)
    operations = ("crop", "color") if augmented else ()
    expected = kernel.kernel_step(problem.real(), problem.labels, section, operations, SEED)
    assert bits(declared_step("kernel", problem), problem.labels) == bits(expected, problem.labels)


def test_a_kernel_that_memory_does_not_hold_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(kernel, "main_memory", lambda: 10**7)
    section = SECTIONS["kernel"].model_copy(update={"kernel": "pooled"})
    with pytest.raises(SeqmatchError, match=r"kernel = pooled: of 9 images of 8×8 pixels it takes 0.0 GB"):
        kernel.make_step(make_problem(section, None, earlier=1))


@pytest.mark.parametrize("augmented", [True, False])
def test_gradients_are_matched_in_networks_that_learn_from_the_images(experts, augmented):
    section = SECTIONS["gradient"].model_copy(update={"augment_matching": augmented})
    problem = make_problem(section, None, earlier=1)
    operations = ("crop", "color") if augmented else ()
    expected = gradient.gradient_step(problem.real(), FRESH, problem.labels, section, operations, SEED, 3)
    assert bits(declared_step("gradient", problem), problem.labels) == bits(expected, problem.labels)


def test_a_batch_has_no_more_images_than_there_are(experts, monkeypatch):
    sizes = []
    monkeypatch.setattr(trajectory, "best_unroll", lambda *about: sizes.append(about[3]))
    for batch in (None, 4, 100):
        section = SECTIONS["trajectory"].model_copy(update={"synthetic_batch": batch})
        declared_step("trajectory", make_problem(section, experts, earlier=1))
    assert sizes == [6, 4, 9]


@pytest.mark.parametrize(
    ("objective", "step", "match"),
    [
        ("gradient", partial(gradient.gradient_step, together=3), "match_gradient"),
        ("condensation", partial(condensation.condensation_step, together=3, learned=["color"]), "match_gradient"),
        ("alignment", partial(alignment.alignment_step, weights=(0, 0, 1), chunk=3), "match_alignment"),
    ],
)
def test_real_and_synthetic_images_share_one_draw(monkeypatch, objective, step, match):
    """With one image of each class the real images of an update are known: here they are the synthetic ones."""
    images, labels, seen = normal(3, *SHAPE), torch.arange(3), []

    def record(network, real, synthetic, members, view, *others):
        seen.append((real.flatten(0, 1), view(synthetic[members.flatten()])))
        return Match(0.0, torch.zeros_like(synthetic), 0.0)

    monkeypatch.setattr(f"seqmatch.distillation.{objective}.{match}", record)
    section = SECTIONS[objective].model_copy(update={"synthetic_batch": 1} if objective == "condensation" else {})
    step((images, labels), FRESH, labels, section, ["color"], SEED)(images, 0.05, 0)
    ((real, synthetic),) = seen
    assert torch.equal(real, synthetic) and not torch.equal(real, images)


@pytest.mark.parametrize("earlier", [0, 1])
def test_condensation_of_a_later_subset_starts_from_teachers(experts, earlier):
    section = SECTIONS["condensation"].model_copy(update={"updates_per_network": 2})
    problem = make_problem(section, experts if earlier else None, earlier)
    network = problem.new_network if earlier else FRESH
    operations = ("crop", "color")
    about = section, operations, SEED, 3, operations
    expected = condensation.condensation_step(problem.real(), network, problem.labels, *about)
    assert bits(declared_step("condensation", problem), problem.labels) == bits(expected, problem.labels)


@pytest.mark.parametrize("augmented", [True, False])
def test_networks_of_condensation_learn_from_augmented_images_also_where_what_is_matched_is_not(monkeypatch, augmented):
    learned = []
    monkeypatch.setattr(condensation, "train", lambda network, phases, *others: learned.extend(phases) or iter([None]))
    monkeypatch.setattr(condensation, "match_gradient", lambda *given: Match(0.0, torch.zeros(6, *SHAPE), 0.0))
    section = SECTIONS["condensation"].model_copy(update={"augment_matching": augmented})
    declared_step("condensation", make_problem(section, None))(normal(6, *SHAPE), 0.05, 0)
    assert [phase.settings.augmentation for phase in learned] == [["crop", "color"]]


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("batch", [None, 1])
def test_unrolled_students_see_as_many_images_of_a_class_as_the_subset_has_unless_set(experts, earlier, batch):
    section = SECTIONS["unrolled"].model_copy(update={"synthetic_batch": batch})
    problem = make_problem(section, experts if earlier else None, earlier)
    network = structure(TINY, SHAPE, CLASSES)
    unroll = best_unroll(network, "never", activations(TINY, SHAPE, CLASSES), 3 * (batch or 2), 3, 4, CPU)
    start = problem.new_network if earlier else FRESH
    student, chunk = classifier(network), chunk_size(12, activations(TINY, SHAPE, CLASSES), CPU)
    expected = unrolled.unrolled_step(
        problem.real(), start, unroll, student, problem.labels, batch or 2, section, ("crop", "color"), SEED, chunk
    )
    assert bits(declared_step("unrolled", problem), problem.labels) == bits(expected, problem.labels)


def test_unrolled_students_that_would_never_see_some_images_are_refused(experts):
    section = SECTIONS["unrolled"].model_copy(update={"synthetic_batch": 1, "order": "fixed", "synthetic_steps": 1})
    with pytest.raises(SeqmatchError, match=r"synthetic_steps = 1: .*2 images of each class take 2 steps to be seen"):
        declared_step("unrolled", make_problem(section, None))


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("weights", [None, [0.0, 3.0, 0.5]])
def test_alignment_weighs_all_layers_and_starts_from_teachers_for_a_later_subset(experts, earlier, weights):
    section = SECTIONS["alignment"].model_copy(update={"layer_weights": weights})
    problem = make_problem(section, experts if earlier else None, earlier)
    start = problem.new_network if earlier else FRESH
    chunk = chunk_size(12, activations(TINY, SHAPE, CLASSES), CPU)
    about = (("crop", "color"), SEED, weights or [0.1, 1.0, 2.0], chunk)
    expected = alignment.alignment_step(problem.real(), start, problem.labels, section, *about)
    assert bits(declared_step("alignment", problem), problem.labels) == bits(expected, problem.labels)


def test_weights_that_are_not_one_for_each_layer_are_refused():
    section = SECTIONS["alignment"].model_copy(update={"layer_weights": [1.0, 1.0]})
    with pytest.raises(
        SeqmatchError, match=r"layer_weights = \[1.0, 1.0\]: 2 numbers; the network needs 3, one for each"
    ):
        declared_step("alignment", make_problem(section, None))


def test_a_teacher_is_one_of_all_at_its_start_by_the_seed(experts):
    new_network = make_problem(SECTIONS["condensation"], experts, earlier=1).new_network
    starts = [experts.parameters(index, 0) for index in range(4)]
    numbers = set()
    for index in range(30):
        theta = torch.cat([parameter.detach().flatten() for parameter in new_network(SEED / index).parameters()])
        (number,) = [number for number, start in enumerate(starts) if torch.equal(start, theta)]
        numbers.add(number)
        again = next(new_network(SEED / index).parameters())
        assert torch.equal(again.detach().flatten(), theta[: again.numel()])
    assert numbers == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("objective", "earlier", "synthetic_batch", "synthetic"),
    [("gradient", 0, None, 2), ("gradient", 3, None, 5), ("condensation", 3, None, 5), ("condensation", 3, 2, 2)],
)
def test_as_many_classes_as_fit_in_memory_are_matched_at_once(
    experts, monkeypatch, objective, earlier, synthetic_batch, synthetic
):
    module = {"gradient": gradient, "condensation": condensation}[objective]
    sizes = []

    def record(real, synthetic, activations, parameters, device):
        sizes.append((real, synthetic, list(activations), parameters, device))
        return classes_at_once(*sizes[-1])

    monkeypatch.setattr("seqmatch.distillation.step.classes_at_once", record)
    monkeypatch.setattr(module, f"{objective}_step", lambda *arguments: arguments[6])
    changes = {"synthetic_batch": synthetic_batch} if objective == "condensation" else {}
    problem = make_problem(SECTIONS[objective].model_copy(update=changes), experts, earlier)
    sizes_of_network = activations(TINY, SHAPE, CLASSES)
    assert declared_step(objective, problem) == classes_at_once(4, synthetic, sizes_of_network, PARAMETERS, CPU)
    assert sizes == [(4, synthetic, sizes_of_network, PARAMETERS, CPU)]


def test_some_of_an_index_are_distinct_and_at_most_all():
    index = torch.arange(10, 20)
    few = some(index, 4, Seed("s").generator())
    assert len(few) == len(set(few.tolist())) == 4 and set(few.tolist()) <= set(index.tolist())
    assert some(index, 99, Seed("s").generator()).sort().values.tolist() == index.tolist()
