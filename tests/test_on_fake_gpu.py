"""Every computing loop on a fake GPU (`helpers/fake_gpu.py`): placed as on a real one, with the CPU's numbers."""

import json
import runpy
import sys
from collections import Counter
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from helpers.fake_gpu import CUDA, FakeGpu, OnGpu, WrongDevice, fetched
from helpers.tiny import ROOT, TINY, labelled, normal

import seqmatch.runtime.device
from benchmarks.plain import flat_parameters
from seqmatch import config
from seqmatch.analysis.coupling import random_direction
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import fit_standardization, fit_whitening
from seqmatch.distillation.condensation import condensation_step
from seqmatch.distillation.coresets import embed
from seqmatch.distillation.distribution import distribution_step
from seqmatch.distillation.gradient import gradient_step
from seqmatch.distillation.loop import distill
from seqmatch.distillation.soft_labels import mean_prediction
from seqmatch.distillation.trajectory import picks, trajectory_step
from seqmatch.files.checkpoint import Checkpoint
from seqmatch.files.store import load_table
from seqmatch.files.tensors import load_tensors
from seqmatch.matching.derivatives import Derivatives, classifier, compiled, eager
from seqmatch.matching.dispatch import best_match
from seqmatch.matching.trajectory import match_adjoint, match_unrolled
from seqmatch.networks import build, structure
from seqmatch.planning import code
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode, encode
from seqmatch.synthetic.subset import Subset
from seqmatch.training import ensemble
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.gradients import eager_gradients, in_chunks, loss_gradient
from seqmatch.training.loop import Phase, Position, Stage, accuracy, instance_losses, train, train_through
from seqmatch.training.sharpness import sharpness_aware
from seqmatch.transforms import dsa

CPU = torch.device("cpu")
EVERY = list(dsa.OPERATIONS)
SETTINGS = config.Matching(
    iterations=2,
    snapshots=2,
    synthetic_steps=3,
    expert_epochs=1,
    max_start_epoch=2,
    synthetic_batch=4,
    lr_images=0.1,
    lr_step_size=0.001,
    real_batch=4,
    updates_per_network=2,
    network_images=10,
    network_epochs=2,
)


def on_both(work):
    """What `work` returns for the CPU, after making sure that the GPU gives the same bits."""
    expected = work(CPU)
    with FakeGpu():
        found = work(CUDA)
    torch.testing.assert_close(fetched(found), expected, rtol=0, atol=0)
    return expected


def stage(device, soft=False):
    images, labels = labelled()
    shares = normal(12, 3, name="shares").softmax(1)
    return Stage(images, shares if soft else labels, 0.1).to(device)


def trained(
    device, spec=TINY, soft=False, operations=("crop",), descent=None, epochs=2, gradients=eager_gradients, **settings
):
    """Parameters and buffers of a network that was trained, and what it is worth."""
    learned = config.Training(batch_size=5, momentum=0.9, weight_decay=0.01, **settings)  # 12 images: two are left over
    network = build(spec, (1, 8, 8), 3, Seed("n"), device)
    descended = {} if descent is None else {"descent": descent}
    way = [Phase(stage(device, soft), epochs, learned, Seed("t"), **descended)]
    train_through(network, way, operations, gradients)
    test = tuple(tensor.to(device) for tensor in labelled(name="test"))
    return list(network.state_dict().values()), accuracy(network, *test), instance_losses(network, *test)


@pytest.mark.parametrize("operation", EVERY)
def test_training_with_each_augmentation(operation):
    on_both(partial(trained, operations=[operation]))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_training_with_all_augmentations_and_soft_labels(cutmix, soft):
    on_both(partial(trained, soft=soft, operations=EVERY, augmentation_form="composed", cutmix=cutmix))


def pairs(full):
    return in_chunks(2, loss_gradient)


def test_training_in_chunks():
    on_both(partial(trained, soft=True, gradients=pairs))


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("family", ["convnet", "resnet18", "vgg11", "alexnet"])
def test_training_of_each_network(family, norm):
    on_both(partial(trained, spec=config.Network(family=family, width=2, depth=2, norm=norm)))


def test_sharpness_aware_training():
    on_both(partial(trained, descent=partial(sharpness_aware, rho=0.1, alpha=0.2)))


NETWORK = structure(TINY, (1, 8, 8), 3)
STUDENT = classifier(NETWORK)


def student(device, soft=False, steps=4):
    """A start, a target, images, minibatches and a step size to match."""
    start, target = (flat_parameters(build(TINY, (1, 8, 8), 3, Seed(name), device)) for name in ("start", "target"))
    shown, batches = stage(device, soft), []
    for index in range(steps):
        drawn = dsa.draw(EVERY, 5, Seed("d", index).generator())
        chosen = torch.randperm(12, generator=Seed("c", index).generator())[:5].to(device)
        batches.append(
            (partial(lambda drawn, chosen, x: dsa.apply(drawn, x[chosen]), drawn, chosen), shown.labels[chosen])
        )
    return start, target, shown.images, batches, 0.1


def unrolled(*problem):
    return vars(match_unrolled(STUDENT, *problem))


def adjoint(*problem):
    return vars(match_adjoint(Derivatives(STUDENT.shapes, eager(STUDENT.loss), 2), 2, *problem))


def forward_over_reverse(*problem):
    """The adjoint by the functions that are compiled, uncompiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqmatch.matching.derivatives.compile_function", lambda function, instead: function)
        kernel = compiled(STUDENT.loss, 2, fall_back=True)
    return vars(match_adjoint(Derivatives(STUDENT.shapes, kernel, 2), 2, *problem))


WAYS = [unrolled, adjoint, forward_over_reverse]


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # PyTorch's own, for forward derivatives
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("match", WAYS)
def test_matching_a_trajectory(match, soft):
    on_both(lambda device: match(*student(device, soft)))


@pytest.mark.parametrize("steps", [1, 100_000])
def test_matching_in_the_way_that_a_gpu_is_given(steps):
    """By one graph; and in chunks, as if there were very many steps with large activations."""
    match = best_match(NETWORK, "never", [2**26], 5, steps, 1, CUDA)
    on_both(lambda device: vars(match(*student(device))))


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    path = tmp_path_factory.mktemp("experts") / "shard.safetensors"
    save_shard(path, record_trajectories(members(CPU), []), {})
    return path


def members(device, spec=TINY):
    recipe = config.Experts(network="convnet", batch_size=5, momentum=0.5)
    return [
        Member(
            partial(build, spec, (1, 8, 8), 3, Seed("e", index), device),
            [Phase(stage(device), 2, recipe, Seed("e", index, k)) for k in (0, 1)],
        )
        for index in range(2)
    ]


def first_subset(formation=1, name="x"):
    return Subset(*labelled(per_class=2, name=name), 0.05, formation)


def distilled(device, shard, folder, settings=SETTINGS, seconds=1e9, wrap=lambda step: step, clamp=None):
    """All of S_2's distillation, with S_1 frozen."""
    start, prefix = (first_subset(settings.formation, name) for name in ("start", "earlier"))
    labels = torch.cat([prefix.decoded()[1], start.decoded()[1]]).to(device)
    real = tuple(tensor.to(device) for tensor in labelled(per_class=20, name="real"))
    fresh, about = partial(build, TINY, (1, 8, 8), 3, device=device), (settings, EVERY, Seed("d"))
    with Trajectories([shard]) as experts:
        step = {
            "trajectory": lambda: trajectory_step(
                experts, NETWORK, partial(match_unrolled, STUDENT), labels, 4, *about
            ),
            "distribution": lambda: distribution_step(real, fresh, labels, *about),
            "gradient": lambda: gradient_step(real, fresh, labels, *about, together=2),
            "condensation": lambda: condensation_step(real, fresh, labels, *about, together=2),
        }[settings.objective]()
        checkpoint = Checkpoint(folder / device.type, "work", seconds)
        return distill(start, [prefix], wrap(step), settings, checkpoint, device, clamp).tensors()


@pytest.mark.parametrize("objective", ["trajectory", "distribution", "gradient", "condensation"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_distilling(shard, tmp_path, objective, optimizer):
    own = {"formation": 2} if objective == "condensation" else {}
    settings = SETTINGS.model_copy(update={"objective": objective, "optimizer": optimizer, "ema": 0.9} | own)
    clamp = fit_standardization(labelled()[0].clamp(0, 9).to(torch.uint8)).clamp
    on_both(partial(distilled, shard=shard, folder=tmp_path, settings=settings, clamp=clamp))


def test_the_form_of_adam_that_a_gpu_is_given(shard, tmp_path, monkeypatch):
    """PyTorch updates lists of tensors at once there; its count of steps stays on the CPU."""
    settings = SETTINGS.model_copy(update={"optimizer": "adam"})
    expected = distilled(CPU, shard, tmp_path, settings)
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_foreach_supported_types", [OnGpu])
    with FakeGpu():
        found = distilled(CUDA, shard, tmp_path, settings)
    torch.testing.assert_close(found, expected)


def interrupted(step):
    """The same, until its second call."""

    def call(images, step_size, iteration):
        if iteration == 1:
            raise KeyboardInterrupt
        return step(images, step_size, iteration)

    return call


def test_distillation_is_taken_up_on_the_gpu(shard, tmp_path):
    whole = distilled(CPU, shard, tmp_path)
    with FakeGpu():
        with pytest.raises(KeyboardInterrupt):
            distilled(CUDA, shard, tmp_path, seconds=0, wrap=interrupted)
        assert any(path.is_file() for path in (tmp_path / "cuda").iterdir())
        torch.testing.assert_close(distilled(CUDA, shard, tmp_path, seconds=0), whole, rtol=0, atol=0)


def taken_up(device, folder, spec=TINY, after=4):
    """Trajectories of training that is interrupted after some gradients, within a phase, and goes on."""
    calls = []

    def gradient(*arguments):
        calls.append(None)
        if len(calls) == after:
            raise KeyboardInterrupt
        return loss_gradient(*arguments)

    checkpoint = Checkpoint(folder, "work", 0)
    with pytest.raises(KeyboardInterrupt):
        record_trajectories(members(device, spec), EVERY, lambda full: gradient, checkpoint)
    return record_trajectories(members(device, spec), EVERY, checkpoint=checkpoint)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_training_is_taken_up_on_the_gpu(tmp_path, norm):
    spec = TINY.model_copy(update={"norm": norm})
    whole = record_trajectories(members(CPU, spec), EVERY)
    with FakeGpu():
        resumed = taken_up(CUDA, tmp_path, spec)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


def test_what_networks_say_of_images():
    def said(device):
        images = normal(130, 1, 8, 8).to(device)
        networks = [build(TINY, (1, 8, 8), 3, Seed("n", index), device) for index in range(2)]
        return embed(networks[0], images), mean_prediction(networks, images)

    embedded, shares = on_both(said)
    assert embedded.device == shares.device == CPU


@pytest.mark.parametrize("fit", [fit_standardization, partial(fit_whitening, regularization=0.1)])
def test_normalising_and_formation_on_the_gpu(fit):
    raw = (normal(20, 3, 8, 8) * 40 + 120).clamp(0, 255).to(torch.uint8)
    normalization = fit(raw)

    def changed(device):
        images = normalization.apply(raw.to(device))
        return normalization.invert(images), encode(images, 2), decode(encode(images, 2), 2)

    on_both(changed)


# The commands, as rules call them: who moves what to the GPU is theirs to say.

NET = TINY.model_dump_json()
HOW = json.dumps({"epochs": 1, "networks": 1, "batch_size": 10})
RECIPE = {"network": "convnet", "networks_per_shard": 1, "batch_size": 10}
IMPORTS = cache(code._imports)
"""A command is usually a process, which parses the sources but once."""
RUN = {"dataset": "d", "method": "m", "ipc": 3, "seed": 0}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command in this process, its options by name, a list for several values; in a folder of the device."""
    monkeypatch.setattr(code, "_imports", IMPORTS)

    def call(device, script, **options):
        path, folder = ROOT / "scripts" / f"{script}.py", tmp_path / device.type
        arguments = [str(path), "--compile", "never", "--data", "../data.safetensors", "--network", NET]
        for name, value in options.items():
            arguments += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
        monkeypatch.setattr(seqmatch.runtime.device, "prepare", lambda gpus, threads: device)
        monkeypatch.setattr(sys, "argv", arguments)
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        with FakeGpu() as gpu:
            runpy.run_path(str(path), run_name="__main__")
        assert bool(gpu.waits) == (device == CUDA)

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


def distil_all(call, device, **matching):
    """Two subsets, with the experts and teachers that they may need."""
    settings = SETTINGS.model_copy(update=matching).model_dump_json()
    flat = RECIPE | {"rho": 0.1, "gsam_alpha": 0.1}
    trained_ones = matching["objective"] in ("trajectory", "condensation")
    for k, recipe in ((1, flat), (2, RECIPE)):
        prefix, experts, choosers = [f"subset{i}.safetensors" for i in range(1, k)], [], []
        if trained_ones:
            about = {"prefix": prefix, "recipe": json.dumps(recipe), "evaluation": HOW, "name": k, "shard": 0}
            call(device, "train_experts", **about, epochs=2, out=f"experts{k}.safetensors")
            experts, choosers = [f"experts{k}.safetensors"], ["experts1.safetensors"]
        about = {"experts": experts, "choosers": choosers, "prefix": prefix, "settings": settings}
        call(device, "distill_subset", **RUN, **about, subset=k, subsets=2, out=f"snapshots{k}.safetensors")
        about = {"prefix": prefix, "snapshots": f"snapshots{k}.safetensors", "protocols": ["validation", "test"]}
        about |= {"evaluation": HOW, "networks": 1, "name": "s", "scores": f"scores{k}.csv"}
        call(device, "select_snapshot", **about, out=f"subset{k}.safetensors")


def analyse(call, device):
    """All that is measured of the two subsets."""
    about = {"subsets": ["subset1.safetensors", "subset2.safetensors"], "evaluation": HOW} | RUN
    last = {"also": "last", "snapshots": "snapshots2.safetensors", "scores": "scores2.csv"}
    named = {"architecture": "a", "matched-on": "a", "selection": "validation"}
    call(device, "evaluate", **about, **last, **named, out="accuracy.csv")
    measured = json.dumps({"networks": 1, "records": 2})
    call(device, "record_losses", **about, difficulty=measured, out="losses.safetensors")
    call(device, "measure_coupling", **about, coupling=measured, out="coupling.csv")
    call(device, "measure_stages", **about, architecture="a", out="stages.csv")


def results(folder):
    """What commands wrote in a folder, less the time that it took."""
    tensors = {path.name: load_tensors(path)[0] for path in sorted(folder.glob("*.safetensors"))}
    tables = {path.name: load_table(path).select_dtypes("number") for path in sorted(folder.glob("*.csv"))}
    return tensors, {name: table.drop(columns="seconds", errors="ignore").to_numpy() for name, table in tables.items()}


@pytest.mark.parametrize(
    "matching",
    [
        {"objective": "trajectory", "initial": "herding", "soft_labels": True, "optimizer": "adam"},
        {"objective": "condensation", "initial": "k-center", "formation": 2},
        {"objective": "gradient"},
        {"objective": "distribution"},
    ],
    ids=lambda matching: matching["objective"],
)
def test_the_commands_compute_on_the_gpu_what_they_compute_without(command, tmp_path, matching):
    for device in (CPU, CUDA):
        distil_all(command, device, **matching)
        if "initial" in matching:  # what comes after is the same for all
            analyse(command, device)
    expected = results(tmp_path / "cpu")
    assert expected[0]
    torch.testing.assert_close(results(tmp_path / "cuda"), expected, rtol=0, atol=0)


# What the fake GPU is good for: it notices what a GPU would refuse, and what would keep it waiting.


def train_with(left):
    """A training step on the GPU, with one thing left on the CPU."""
    network, shown = build(TINY, (1, 8, 8), 3, Seed("n"), CPU if left == "network" else CUDA), stage(CUDA)
    shown = replace(shown, **{left: getattr(stage(CPU), left)} if left in ("images", "labels") else {})
    position = None
    if left == "velocities":
        position = Position(0, 0, tuple(torch.zeros(parameter.shape) for parameter in network.parameters()))
    phase = Phase(shown, 1, config.Training(batch_size=12, momentum=0.9), Seed("t"))
    list(train(network, [phase], ["color"], position=position))


@pytest.mark.parametrize("left", ["images", "labels", "network", "velocities"])
def test_a_tensor_that_training_leaves_on_the_cpu_is_noticed(left):
    with FakeGpu():
        train_with("nothing")
        with pytest.raises(WrongDevice):
            train_with(left)


@pytest.mark.parametrize("operation", EVERY)
def test_a_draw_that_is_not_moved_is_noticed(operation, monkeypatch):
    monkeypatch.setattr(dsa.Draw, "to", lambda self, images: self)
    trained(CPU, operations=[operation])
    with FakeGpu(), pytest.raises(WrongDevice):
        trained(CUDA, operations=[operation])


@pytest.mark.parametrize("match", WAYS)
@pytest.mark.parametrize("left", ["start", "target", "images", "labels", "weights"])
def test_a_tensor_that_matching_leaves_on_the_cpu_is_noticed(match, left, monkeypatch):
    if left == "weights":
        for module in ("trajectory", "derivatives"):
            monkeypatch.setattr(
                f"seqmatch.matching.{module}.even_weights", lambda labels, like: torch.ones(len(labels))
            )
    with FakeGpu():
        start, target, images, batches, step_size = student(CUDA)
        start, target, images = (
            tensor.cpu() if left == name else tensor
            for tensor, name in ((start, "start"), (target, "target"), (images, "images"))
        )
        batches = [(view, labels.cpu() if left == "labels" else labels) for view, labels in batches]
        with pytest.raises(WrongDevice):
            match(start, target, images, batches, step_size)


@pytest.mark.parametrize("objective", ["trajectory", "distribution", "gradient", "condensation"])
def test_synthetic_images_that_are_on_the_cpu_are_noticed(shard, tmp_path, objective):
    settings = SETTINGS.model_copy(update={"objective": objective})
    with FakeGpu(), pytest.raises(WrongDevice):
        distilled(CUDA, shard, tmp_path, settings, wrap=lambda step: lambda images, *rest: step(images.cpu(), *rest))


def test_velocities_that_a_resumed_training_does_not_move_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble._State, "resumed", lambda self, network: self.position)
    with FakeGpu(), pytest.raises(WrongDevice):
        taken_up(CUDA, tmp_path)


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


def waited(work):
    """Which functions wait for the GPU in `work`, and how often."""
    with FakeGpu() as gpu:
        work()
    return Counter(gpu.waits)


def test_the_steps_of_training_do_not_wait_for_the_gpu():
    every = partial(trained, CUDA, operations=EVERY, augmentation_form="composed", cutmix=1.0)
    assert waited(partial(every, epochs=4)) == waited(partial(every, epochs=1))
    flat = partial(trained, CUDA, descent=partial(sharpness_aware, rho=0.1, alpha=0.2), gradients=pairs)
    assert waited(partial(flat, epochs=4)) == waited(partial(flat, epochs=1))


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
        assert len(list(picks(Seed("p"), 2, SETTINGS, labels, 4, EVERY))) == 1
        assert not gpu.waits


@pytest.mark.parametrize("objective", ["gradient", "condensation"])
def test_between_two_matches_a_network_learns_without_waiting_for_the_gpu(shard, tmp_path, objective):
    def learning(**much):
        settings = SETTINGS.model_copy(update={"objective": objective} | much)
        return waited(lambda: distilled(CUDA, shard, tmp_path, settings))

    assert learning(network_images=20, network_epochs=1) == learning(network_images=60, network_epochs=3)


@pytest.mark.parametrize("objective", ["distribution", "gradient", "condensation"])
def test_choosing_real_images_does_not_wait_for_the_gpu(shard, tmp_path, objective):
    settings = SETTINGS.model_copy(update={"objective": objective})
    assert not waited(lambda: distilled(CUDA, shard, tmp_path, settings))["distillation.step.some"]
