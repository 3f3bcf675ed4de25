"""Every computing loop on a GPU: on a fake one (`helpers/fake_gpu.py`), which is placed as a real one and has the CPU's
numbers; and where there is a real one on that too, whose numbers are the CPU's up to rounding."""

import json
import runpy
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.distilling import distilled
from helpers.fake_gpu import CUDA, FakeGpu, OnGpu, WrongDevice, fetched
from helpers.tiny import FOUR, ROOT, TINY, labelled, normal
from torch.utils._pytree import tree_map, tree_map_only

import seqmatch.runtime.device
from benchmarks.plain import flat_parameters
from seqmatch import config
from seqmatch.analysis.coupling import random_direction
from seqmatch.config.methods import OBJECTIVES
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import fit_standardization, fit_whitening
from seqmatch.distillation.alignment import alignment_step
from seqmatch.distillation.condensation import condensation_step
from seqmatch.distillation.coresets import embed
from seqmatch.distillation.distribution import distribution_step
from seqmatch.distillation.gradient import gradient_step
from seqmatch.distillation.hallucination import hallucination_step, through_one_each
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.kernel import kernel_step
from seqmatch.distillation.loop import Restarts
from seqmatch.distillation.soft_labels import mean_prediction
from seqmatch.distillation.trajectory import picks, trajectory_step
from seqmatch.distillation.unrolled import unrolled_step
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.store import load_table
from seqmatch.files.tensors import load_tensors
from seqmatch.matching.derivatives import Derivatives, classifier, eager
from seqmatch.matching.dispatch import best_unroll
from seqmatch.matching.unrolled import Descent, adjoint, distance, one_graph
from seqmatch.networks import activations, build, structure
from seqmatch.runtime.precision import set_full_precision
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode, encode
from seqmatch.synthetic.subset import Subset
from seqmatch.training import ensemble
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.gradients import EAGER, Gradients, best_gradients, in_chunks, loss_gradient
from seqmatch.training.inference import accuracy, instance_losses
from seqmatch.training.loop import Phase, Position, Stage, train_joined, train_through
from seqmatch.training.sharpness import sharpness_aware
from seqmatch.transforms import dsa

CPU = torch.device("cpu")
EVERY = list(dsa.OPERATIONS)
BRIEF = {"iterations": 2, "snapshots": 2, "lr_images": 0.1}
MATCHING = {
    "trajectory": config.TrajectoryMatching(
        synthetic_steps=3, expert_epochs=1, max_start_epoch=2, synthetic_batch=4, lr_step_size=0.001, **BRIEF
    ),
    "hallucination": config.HallucinationMatching(
        parameterisation="hallucinators",
        hallucinators=2,
        synthetic_steps=3,
        expert_epochs=1,
        max_start_epoch=2,
        updates_per_network=2,
        **BRIEF,
    ),
    "distribution": config.DistributionMatching(real_batch=4, **BRIEF),
    "gradient": config.GradientMatching(real_batch=4, updates_per_network=2, network_epochs=2, **BRIEF),
    "condensation": config.CondensationMatching(
        real_batch=4, synthetic_batch=4, updates_per_network=2, network_images=10, **BRIEF
    ),
    "unrolled": config.UnrolledMatching(
        real_batch=4, synthetic_steps=3, student_momentum=0.5, step_sizes="each", clip=1.0, **BRIEF
    ),
    "kernel": config.KernelMatching(real_batch=4, kernel_depth=2, **BRIEF),
    "alignment": config.AlignmentMatching(real_batch=4, updates_per_network=2, network_epochs=1, **BRIEF),
}
"""Settings by objective."""
WITHOUT_TRAJECTORIES = ["distribution", "gradient", "condensation", "unrolled", "kernel", "alignment"]
MEMORIES = {"parameterisation": "memories", "memories": 2}
MULTI_FORMATION = {"parameterisation": FOUR.name, "formation": FOUR.size}


ON_A_GPU = torch.cuda.is_available()
GPU = nullcontext if ON_A_GPU else FakeGpu
"""What is active while something computes on `CUDA`."""


@pytest.fixture(autouse=True, scope="module")
def as_jobs_compute():
    """In full single precision and by algorithms that repeat, as `runtime.device.prepare` asks a GPU."""
    set_full_precision()
    torch.backends.cudnn.deterministic = True


def on_both(work):
    """What `work` returns for the CPU, after making sure that a fake GPU gives the same bits, or a real one nearly."""
    expected = work(CPU)
    with GPU():
        result = work(CUDA)
    if ON_A_GPU:
        torch.testing.assert_close(home(result), expected, rtol=1e-3, atol=1e-4)
    else:
        torch.testing.assert_close(fetched(result), expected, rtol=0, atol=0)
    return expected


def home(value):
    """The same with all tensors on the CPU."""
    return tree_map_only(torch.Tensor, torch.Tensor.cpu, value)


def stage(device, soft=False):
    images, labels = labelled()
    shares = normal(12, 3, name="shares").softmax(1)
    return Stage(images, shares if soft else labels, 0.1).to(device)


def training(device, spec=TINY, soft=False, descent=None, epochs=2, gradients=EAGER, **settings):
    """Parameters and buffers of a network after training, and what it is worth."""
    learner = config.Training(batch_size=5, momentum=0.9, weight_decay=0.01, **settings)  # 12 images: two are left over
    network = build(spec, (1, 8, 8), 3, Seed("n"), device)
    others = {} if descent is None else {"descent": descent}
    phase = Phase(stage(device, soft), epochs, learner, Seed("t"), **others)
    train_through(network, [phase], ["crop"], gradients)
    test = tuple(tensor.to(device) for tensor in labelled(name="test"))
    return list(network.state_dict().values()), accuracy(network, *test), instance_losses(network, *test)


@pytest.mark.parametrize("operation", EVERY)
def test_training_with_each_augmentation(operation):
    on_both(partial(training, augmentation=[operation]))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_training_with_all_augmentations_and_soft_labels(cutmix, soft):
    on_both(partial(training, soft=soft, augmentation=EVERY, augmentation_form="composed", cutmix=cutmix))


PAIRS = Gradients(lambda full: in_chunks(2, loss_gradient))


def test_training_in_chunks():
    on_both(partial(training, soft=True, gradients=PAIRS))


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("family", ["convnet", "resnet18", "vgg11", "alexnet"])
def test_training_of_each_network(family, norm):
    """On a real GPU what they say alone: in training, norms of a few numbers amplify rounding without bound."""
    spec = config.Architecture(family=family, width=2, depth=2, norm=norm)
    on_both(partial(training, spec=spec, epochs=0 if ON_A_GPU else 2))


def joined(device, soft=False, **settings):
    """What networks that are trained as one are worth, one of them trained twice as fast."""
    learner = config.Training(batch_size=5, momentum=0.9, **settings)
    networks = [build(TINY, (1, 8, 8), 3, Seed(index), device) for index in range(3)]
    data = [replace(stage(device, soft), step_size=rate) for rate in (0.1, 0.1, 0.2)]
    phases = [[Phase(part, 2, learner, Seed("t", index))] for index, part in enumerate(data)]
    for _ in train_joined(networks, phases, ["crop"]):
        pass
    images, labels = (tensor.to(device) for tensor in labelled(name="test"))
    return [(list(net.state_dict().values()), instance_losses(net, images, labels)) for net in networks]


@pytest.mark.parametrize("soft", [False, True])
def test_training_of_networks_as_one(soft):
    on_both(partial(joined, soft=soft, cutmix=0.5, augmentation=EVERY))


def test_sharpness_aware_training():
    on_both(partial(training, descent=partial(sharpness_aware, rho=0.1, alpha=0.2)))


NETWORK = structure(TINY, (1, 8, 8), 3)
STUDENT = classifier(NETWORK)


def student(device, soft=False, steps=4):
    """A trajectory to match."""
    return asked(*ends_and_images(device, soft), device, steps)


def ends_and_images(device, soft=False):
    """A start, a target, images and labels."""
    start, target = (flat_parameters(build(TINY, (1, 8, 8), 3, Seed(name), device)) for name in ("start", "target"))
    data = stage(device, soft)
    return start, target, data.images, data.labels


def asked(start, target, images, labels, device, steps=4):
    """What a way to match is given of them."""
    batches = []
    for index in range(steps):
        draw = dsa.draw(EVERY, 5, Seed("d", index).generator())
        part = torch.randperm(12, generator=Seed("c", index).generator())[:5].to(device)
        batches.append((partial(lambda draw, part, x: dsa.apply(draw, x[part]), draw, part), part))
    return start, distance(start, target), images, labels, batches, Descent(0.1)


def by_one_graph(*problem):
    return vars(one_graph(STUDENT, *problem))


def by_adjoint(*problem):
    return vars(adjoint(Derivatives(STUDENT.shapes, eager(STUDENT.loss), 2), 2, *problem))


def keeping(*problem):
    """The adjoint that computes nothing twice of the last steps."""
    return vars(adjoint(Derivatives(STUDENT.shapes, eager(STUDENT.loss), 2), 1, *problem, kept=2))


WAYS = [by_one_graph, by_adjoint, keeping]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("match", WAYS)
def test_matching_a_trajectory(match, soft):
    on_both(lambda device: match(*student(device, soft)))


@pytest.mark.parametrize("steps", [1, 100_000])
def test_matching_in_the_way_that_a_gpu_is_given(steps):
    """By one graph; and in chunks, as if there were very many steps with large activations."""
    match = best_unroll(NETWORK, "never", [2**26], 5, steps, 1, CUDA)
    on_both(lambda device: vars(match(*student(device))))


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    path = tmp_path_factory.mktemp("experts") / "shard.safetensors"
    save_shard(path, record_trajectories(members(CPU), []), {})
    return path


def members(device, spec=TINY):
    recipe = config.Experts(architecture="convnet", batch_size=5, momentum=0.5)
    return [
        Member(
            partial(build, spec, (1, 8, 8), 3, Seed("e", index), device),
            [Phase(stage(device), 2, recipe, Seed("e", index, k)) for k in (0, 1)],
        )
        for index in range(2)
    ]


def in_order(members, label):
    return members


def distillation(device, shard, folder, matching, seconds=1e9, wrap=lambda step: step, clamp=None):
    """All of S_2's distillation, with S_1 frozen."""
    start, prefix = (
        initial_subset(
            labelled(per_class=8, name=name), Part([2 * matching.formation**2], 1), matching, in_order, Seed(name)
        )
        for name in ("start", "earlier")
    )
    labels = torch.cat([prefix.decoded()[1], start.decoded()[1]]).to(device)
    real = tuple(tensor.to(device) for tensor in labelled(per_class=20, name="real"))
    fresh, about = partial(build, TINY, (1, 8, 8), 3, device=device), (matching, EVERY, Seed("d"))
    (objective,) = [name for name, each in OBJECTIVES.items() if each.section is type(matching)]
    with Trajectories([shard]) as experts:
        step = {
            "trajectory": lambda: trajectory_step(experts, partial(one_graph, STUDENT), labels, 4, *about),
            "hallucination": lambda: hallucination_step(
                trajectory_step(experts, partial(one_graph, STUDENT), labels, 4, *about, partial(through_one_each, 2)),
                fresh,
                labels,
                4,
                *about,
            ),
            "distribution": lambda: distribution_step(real, fresh, labels, *about, 9),
            "gradient": lambda: gradient_step(real, fresh, labels, *about, 2),
            "condensation": lambda: condensation_step(real, fresh, labels, *about, 2, EVERY),
            "unrolled": lambda: unrolled_step(real, fresh, partial(one_graph, STUDENT), STUDENT, labels, 1, *about, 5),
            "kernel": lambda: kernel_step(real, labels, *about),
            "alignment": lambda: alignment_step(real, fresh, labels, *about, (0.1, 1, 2), 9),
        }[objective]()
        checkpoint = Checkpoint(folder / device.type, "work", seconds)
        restarts = Restarts(OBJECTIVES[objective].resumes_every(matching), clamp)
        return distilled(start, [prefix], wrap(step), matching, checkpoint, device, restarts).tensors()


@pytest.mark.parametrize("objective", MATCHING)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_distilling(shard, tmp_path, objective, optimizer):
    own = {"condensation": MULTI_FORMATION, "distribution": MEMORIES}.get(objective, {})
    matching = MATCHING[objective].model_copy(update={"optimizer": optimizer, "ema": 0.9} | own)
    clamp = None if own is MEMORIES else fit_standardization(labelled()[0].clamp(0, 9).to(torch.uint8)).clamp
    on_both(partial(distillation, shard=shard, folder=tmp_path, matching=matching, clamp=clamp))


def test_learning_labels(shard, tmp_path):
    keys = MATCHING["trajectory"].model_dump() | {"soft_labels": True, "initial_max_start_epoch": 1}
    matching, shares = config.RangedMatching(**keys), normal(6, 3).softmax(1)
    parts = [Subset(*labelled(per_class=2, name=name), 0.05, soft_labels=shares) for name in ("earlier", "start")]

    def learned(device):
        labels = torch.cat([shares, shares]).to(device)
        with Trajectories([shard]) as experts:
            step = trajectory_step(experts, partial(one_graph, STUDENT), labels, 4, matching, EVERY, Seed("d"))
            checkpoint = Checkpoint(tmp_path / device.type, "work", 0)
            return distilled(parts[1], parts[:1], step, matching, checkpoint, device).tensors()

    on_both(learned)


@pytest.mark.skipif(ON_A_GPU, reason="what PyTorch is told here of the fake GPU")
def test_the_form_of_adam_that_a_gpu_is_given(shard, tmp_path, monkeypatch):
    """PyTorch updates lists of tensors at once there; its count of steps stays on the CPU."""
    matching = MATCHING["trajectory"].model_copy(update={"optimizer": "adam"})
    expected = distillation(CPU, shard, tmp_path, matching)
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_foreach_supported_types", [OnGpu])
    with FakeGpu():
        result = distillation(CUDA, shard, tmp_path, matching)
    torch.testing.assert_close(result, expected)


def interrupted(step):
    """The same, until its second call."""

    def call(images, step_size, iteration):
        if iteration == 1:
            raise KeyboardInterrupt
        return step(images, step_size, iteration)

    return call


def test_distillation_is_resumed_on_the_gpu(shard, tmp_path):
    matching = MATCHING["trajectory"]
    whole = distillation(CUDA if ON_A_GPU else CPU, shard, tmp_path / "whole", matching)
    with GPU():
        with pytest.raises(KeyboardInterrupt):
            distillation(CUDA, shard, tmp_path, matching, seconds=0, wrap=interrupted)
        assert any(path.is_file() for path in (tmp_path / "cuda").iterdir())
        torch.testing.assert_close(distillation(CUDA, shard, tmp_path, matching, seconds=0), whole, rtol=0, atol=0)


def resumed_trajectories(device, folder, spec=TINY, after=4):
    """Trajectories of training that is interrupted after some gradients, within a phase, and goes on."""
    calls = []

    def gradient(*arguments):
        calls.append(None)
        if len(calls) == after:
            raise KeyboardInterrupt
        return loss_gradient(*arguments)

    checkpoint = Checkpoint(folder, "work", 0)
    with pytest.raises(KeyboardInterrupt):
        record_trajectories(members(device, spec), EVERY, lambda images: Gradients(lambda full: gradient), checkpoint)
    return record_trajectories(members(device, spec), EVERY, checkpoint=checkpoint)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_training_is_resumed_on_the_gpu(tmp_path, norm):
    spec = TINY.model_copy(update={"norm": norm})
    whole = record_trajectories(members(CUDA if ON_A_GPU else CPU, spec), EVERY)
    with GPU():
        resumed = resumed_trajectories(CUDA, tmp_path, spec)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


def test_what_networks_say_of_images():
    def answers(device):
        images = normal(130, 1, 8, 8).to(device)
        networks = [build(TINY, (1, 8, 8), 3, Seed("n", index), device) for index in range(2)]
        return embed(networks[0], images), mean_prediction(networks, images)

    embedded, shares = on_both(answers)
    assert embedded.device == shares.device == CPU


@pytest.mark.parametrize("fit", [fit_standardization, partial(fit_whitening, regularization=0.1)])
def test_normalising_and_formation_on_the_gpu(fit):
    raw = (normal(20, 3, 8, 8) * 40 + 120).clamp(0, 255).to(torch.uint8)
    normalization = fit(raw)

    def images_and_back(device):
        images = normalization.apply(raw.to(device))
        return normalization.invert(images), encode(images, 2), decode(encode(images, 2), 2)

    on_both(images_and_back)


# The commands, as rules call them: who moves what to the GPU is theirs to say.

ARCHITECTURE = TINY.model_dump_json()
EVALUATION = json.dumps({"epochs": 1, "networks": 1, "batch_size": 10})
RECIPE = {"architecture": "convnet", "networks_per_shard": 1, "batch_size": 10}
RUN = {"dataset": "d", "method": "m", "ipc": 3, "seed": 0}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command in this process, its options by name, a list for several values; in a folder of the device."""

    def call(device, script, **options):
        path, folder = ROOT / "scripts" / f"{script}.py", tmp_path / device.type
        arguments = [str(path), "--compile", "never", "--data", "../data.safetensors", "--architecture", ARCHITECTURE]
        for name, value in options.items():
            arguments += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
        monkeypatch.setattr(seqmatch.runtime.device, "prepare", lambda gpus, threads: device)
        monkeypatch.setattr(sys, "argv", arguments)
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        with GPU() as gpu:
            runpy.run_path(str(path), run_name="__main__")
        assert gpu is None or bool(gpu.waits) == (device == CUDA)

    images, labels = labelled(per_class=36)
    every = torch.arange(len(labels))
    splits = {name: every[every % 3 == index] for index, name in enumerate(("train", "validation", "test"))}
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    save(
        tmp_path / "data.safetensors",
        Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), tuple(EVERY)),
        {},
    )
    return call


def distil_all(call, device, objective, **matching):
    """Two subsets, with the experts and teachers that they may need."""
    matching = MATCHING[objective].model_copy(update=matching).model_dump_json()
    flat = RECIPE | {"rho": 0.1, "gsam_alpha": 0.1}
    for k, recipe in ((1, flat), (2, RECIPE)):
        prefix, experts, choosers = [f"subset{i}.safetensors" for i in range(1, k)], [], []
        if OBJECTIVES[objective].needs != "nothing":
            about = {"prefix": prefix, "recipe": json.dumps(recipe), "evaluation": EVALUATION, "name": k, "shard": 0}
            call(device, "train_experts", **about, epochs=2, out=f"experts{k}.safetensors")
            experts, choosers = [f"experts{k}.safetensors"], ["experts1.safetensors"]
        about = RUN | {"experts": experts, "choosers": choosers, "prefix": prefix, "subset": k, "subset-count": 2}
        about |= {"objective": objective, "matching": matching}
        call(device, "distill_subset", **about, out=f"snapshots{k}.safetensors")
        about = {"prefix": prefix, "snapshots": f"snapshots{k}.safetensors", "selections": ["validation", "test"]}
        about |= {"evaluation": EVALUATION, "networks": 1, "name": "s", "scores": f"scores{k}.csv"}
        about |= {"architecture-name": "a"}
        call(device, "select_snapshot", **about, out=f"subset{k}.safetensors")


def analyse(call, device):
    """All that is measured of the two subsets."""
    about = {"subsets": ["subset1.safetensors", "subset2.safetensors"], "evaluation": EVALUATION} | RUN
    last = {"also": "last", "snapshots": "snapshots2.safetensors", "scores": "scores2.csv"}
    name = {"architecture-name": "a"}
    call(device, "evaluate", **about, **last, **name, **{"matched-on": "a"}, selection="validation", out="accuracy.csv")
    extent = json.dumps({"networks": 1, "records": 2})
    call(device, "record_losses", **about, difficulty=extent, out="losses.safetensors")
    call(device, "measure_coupling", **about, coupling=extent, out="coupling.csv")
    call(device, "measure_stages", **about, **name, out="stages.csv")
    call(device, "evaluate_baselines", **about, **name, choosers=["experts1.safetensors"], out="baselines.csv")


def results(folder):
    """What commands wrote in a folder, less the time that it took."""
    tensors = {path.name: load_tensors(path)[0] for path in sorted(folder.glob("*.safetensors"))}
    tables = {path.name: load_table(path).select_dtypes("number") for path in sorted(folder.glob("*.csv"))}
    return tensors, {name: table.drop(columns="seconds", errors="ignore").to_numpy() for name, table in tables.items()}


CHANGES = {
    "trajectory": {"initial": "herding", "soft_labels": True, "optimizer": "adam"},
    "condensation": {"initial": "k-center", **MULTI_FORMATION},
}
"""Of `MATCHING`, by objective."""


@pytest.mark.parametrize("objective", MATCHING)
def test_the_commands_compute_on_the_gpu_what_they_compute_without(command, tmp_path, objective):
    for device in (CPU, CUDA):
        distil_all(command, device, objective, **CHANGES.get(objective, {}))
        if objective in CHANGES:  # what comes after is the same for all
            analyse(command, device)
    expected = results(tmp_path / "cpu")
    assert expected[0]
    if ON_A_GPU:  # accuracies jump by an image; a real GPU's numbers are compared above
        assert tree_map(shape_of, results(tmp_path / "cuda")) == tree_map(shape_of, expected)
    else:
        torch.testing.assert_close(results(tmp_path / "cuda"), expected, rtol=0, atol=0)


def shape_of(value):
    return tuple(value.shape)


# What only a real GPU can show.

REAL_ALONE = pytest.mark.skipif(not ON_A_GPU, reason="no GPU here")
WIDE = config.Architecture(family="convnet", width=128)


def wide_match(steps, dtype=torch.float32, kept=0, mode="always"):
    """One match at the published size, as jobs compute it on a GPU: the result, and the peak of its memory."""
    start, target = (build(WIDE, (3, 32, 32), 10, Seed(name), CUDA).to(dtype) for name in ("start", "target"))
    ends = flat_parameters(start), flat_parameters(target)
    images, labels = normal(20, 3, 32, 32).to(CUDA, dtype), (torch.arange(20) % 10).to(CUDA)
    writes = activations(WIDE, (3, 32, 32), 10)
    match = best_unroll(start, mode, writes, 20, steps, 10**6, CUDA, kept_memory=kept)
    settings = config.TrajectoryMatching(synthetic_steps=steps)
    batches = next(picks(Seed("p"), 1, settings, labels, 20, EVERY)).batches
    torch.cuda.reset_peak_memory_stats()
    found = match(ends[0], distance(*ends), images, labels, batches, Descent(2**-5))
    return found, torch.cuda.max_memory_allocated()


@REAL_ALONE
@pytest.mark.parametrize("kept", [0, 1])
def test_compiled_matching_is_exact_on_the_gpu(kept):
    expected, _ = wide_match(4, torch.float64, mode="never")
    found, _ = wide_match(4, torch.float64, kept)
    torch.testing.assert_close(vars(found), vars(expected), rtol=1e-9, atol=1e-12)


@REAL_ALONE
@pytest.mark.parametrize("mode", ["never", "always"])
def test_a_match_on_the_gpu_repeats(mode):
    """To the bit, but for what comes back through images that were turned or scaled: it is added up in any order."""
    (first, _), (again, _) = wide_match(4, mode=mode, kept=1), wide_match(4, mode=mode, kept=1)
    assert again.loss == first.loss and again.step_size_gradient == first.step_size_gradient
    largest = first.image_gradient.abs().max()
    torch.testing.assert_close(again.image_gradient / largest, first.image_gradient / largest, rtol=0, atol=1e-6)


@REAL_ALONE
def test_memory_on_the_gpu_hardly_grows_with_the_steps():
    wide_match(2)
    assert wide_match(80)[1] < 1.15 * wide_match(10)[1]


@REAL_ALONE
@pytest.mark.parametrize("mode", ["never", "always"])
def test_training_on_the_gpu_repeats_to_the_bit_compiled_or_not(mode):
    def trained():
        network, data = build(WIDE, (3, 32, 32), 10, Seed("n"), CUDA), normal(600, 3, 32, 32).to(CUDA)
        labels = (torch.arange(600) % 10).to(CUDA)
        gradients = best_gradients(mode, "instance", activations(WIDE, (3, 32, 32), 10), 10**9, CUDA)
        learner = config.Training(batch_size=256, momentum=0.9)
        train_through(network, [Phase(Stage(data, labels, 0.01), 2, learner, Seed("t"))], EVERY, gradients)
        return flat_parameters(network)

    assert torch.equal(trained(), trained())


# What the fake GPU is good for: it notices what a GPU would refuse, and what would keep it waiting.


def train_with(rest):
    """A training step on the GPU, with one thing that stays on the CPU."""
    network, data = build(TINY, (1, 8, 8), 3, Seed("n"), CPU if rest == "network" else CUDA), stage(CUDA)
    data = replace(data, **{rest: getattr(stage(CPU), rest)} if rest in ("images", "labels") else {})
    position = None
    if rest == "velocities":
        position = Position(0, 0, tuple(torch.zeros(parameter.shape) for parameter in network.parameters()))
    phase = Phase(data, 1, config.Training(batch_size=12, momentum=0.9), Seed("t"))
    list(train_joined([network], [[phase]], ["color"], position=position))


@pytest.mark.parametrize("rest", ["images", "labels", "network", "velocities"])
def test_a_tensor_that_training_leaves_on_the_cpu_is_noticed(rest):
    with FakeGpu():
        train_with("nothing")
        with pytest.raises(WrongDevice):
            train_with(rest)


@pytest.mark.parametrize("operation", EVERY)
def test_a_draw_that_is_not_moved_is_noticed(operation, monkeypatch):
    monkeypatch.setattr(dsa.Draw, "to", lambda self, images: self)
    training(CPU, augmentation=[operation])
    with FakeGpu(), pytest.raises(WrongDevice):
        training(CUDA, augmentation=[operation])


@pytest.mark.parametrize("match", WAYS)
@pytest.mark.parametrize("rest", ["start", "target", "images", "labels", "weights"])
def test_a_tensor_that_matching_leaves_on_the_cpu_is_noticed(match, rest, monkeypatch):
    if rest == "weights":
        for module in ("unrolled", "derivatives"):
            monkeypatch.setattr(
                f"seqmatch.matching.{module}.even_weights", lambda labels, like: torch.ones(len(labels))
            )
    with FakeGpu():
        given = dict(zip(("start", "target", "images", "labels"), ends_and_images(CUDA), strict=True))
        given = {name: tensor.cpu() if rest == name else tensor for name, tensor in given.items()}
        with pytest.raises(WrongDevice):
            match(*asked(**given, device=CUDA))


@pytest.mark.parametrize("objective", MATCHING)
def test_synthetic_images_that_are_on_the_cpu_are_noticed(shard, tmp_path, objective):
    def on_cpu(step):
        return lambda images, *others: step(images.cpu(), *others)

    with FakeGpu(), pytest.raises(WrongDevice):
        distillation(CUDA, shard, tmp_path, MATCHING[objective], wrap=on_cpu)


def test_velocities_that_a_resumed_training_does_not_move_are_noticed(tmp_path, monkeypatch):
    restore = ensemble._State.restore

    def left_on_the_cpu(state, networks):
        found = restore(state, networks)
        return found and replace(found, velocities=tuple(velocity.cpu() for velocity in found.velocities))

    monkeypatch.setattr(ensemble._State, "restore", left_on_the_cpu)
    with FakeGpu(), pytest.raises(WrongDevice):
        resumed_trajectories(CUDA, tmp_path)


def test_the_gpu_refuses_what_cuda_refuses():
    number, row = torch.tensor(2.0), torch.ones(3)
    with FakeGpu():
        there = row.to(CUDA)
        assert (there * number).device == CUDA and there[torch.tensor([1, 2])].device == CUDA
        for wrong in (
            lambda: there + row,
            lambda: row.add_(there),
            lambda: number.mul_(there.sum()),
            lambda: torch.stack([there.sum(), number]),
            lambda: row[torch.tensor([0, 1]).to(CUDA)],
            lambda: torch.where(there > 0, there, row),
            lambda: torch.rand(2, device=CUDA, generator=Seed("g").generator()),
            lambda: there.uniform_(generator=Seed("g").generator()),
        ):
            with pytest.raises(WrongDevice):
                wrong()


def test_nothing_stays_of_the_gpu():
    with FakeGpu():
        there = torch.ones(2, device=CUDA)
    assert type(torch.ones(2)) is torch.Tensor
    with pytest.raises(RuntimeError, match="not there any more"):
        there + 1


def waits_of(work):
    """Which functions wait for the GPU in `work`, and how often."""
    with FakeGpu() as gpu:
        work()
    return Counter(gpu.waits)


def test_the_steps_of_training_do_not_wait_for_the_gpu():
    every = partial(training, CUDA, augmentation=EVERY, augmentation_form="composed", cutmix=1.0)
    assert waits_of(partial(every, epochs=4)) == waits_of(partial(every, epochs=1))
    flat = partial(training, CUDA, descent=partial(sharpness_aware, rho=0.1, alpha=0.2), gradients=PAIRS)
    assert waits_of(partial(flat, epochs=4)) == waits_of(partial(flat, epochs=1))


@pytest.mark.parametrize("match", WAYS)
def test_the_steps_of_a_student_do_not_wait_for_the_gpu(match):
    with FakeGpu() as gpu:
        few, many = student(CUDA, steps=2), student(CUDA, steps=5)
        stops = []
        for problem in (few, many):
            gpu.waits.clear()
            match(*problem)
            stops.append(list(gpu.waits))
    assert stops[0] == stops[1]


def test_directions_of_coupling_do_not_wait_for_the_gpu():
    with FakeGpu() as gpu:
        theta = list(build(TINY, (1, 8, 8), 3, Seed("n"), CUDA).parameters())
        gpu.waits.clear()
        assert all(part.device == CUDA for part in random_direction(theta, Seed("v"))) and not gpu.waits


def test_picking_what_a_student_learns_does_not_wait_for_the_gpu():
    with FakeGpu() as gpu:
        labels = torch.arange(12).to(CUDA)
        gpu.waits.clear()
        assert len(list(picks(Seed("p"), 2, MATCHING["trajectory"], labels, 4, EVERY))) == 1
        assert not gpu.waits


@pytest.mark.parametrize(
    ("objective", "key", "little", "much"),
    [("gradient", "network_epochs", 1, 3), ("condensation", "network_images", 20, 60)],
)
def test_between_two_matches_a_network_learns_without_waiting_for_the_gpu(
    shard, tmp_path, objective, key, little, much
):
    waits = []
    for extent in (little, much):
        matching = MATCHING[objective].model_copy(update={key: extent})
        waits.append(waits_of(partial(distillation, CUDA, shard, tmp_path, matching)))
    assert waits[0] == waits[1]


@pytest.mark.parametrize("objective", WITHOUT_TRAJECTORIES)
def test_choosing_real_images_does_not_wait_for_the_gpu(shard, tmp_path, objective):
    waits = waits_of(partial(distillation, CUDA, shard, tmp_path, MATCHING[objective]))
    assert waits and not waits["distillation.step.some"]
