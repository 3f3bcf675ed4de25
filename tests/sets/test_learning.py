"""Networks of anyone's that learn from a distilled set."""

import math
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import torchvision
from helpers.tiny import labelled
from shared import compute
from torch import nn

import seqmatch
from seqmatch import config
from seqmatch.analysis.evaluation import evaluate as evaluate_curricula
from seqmatch.analysis.evaluation import evaluation_seed
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import Standardization
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import NoCheckpoint
from seqmatch.sets.distilled import Distilled
from seqmatch.sets.learning import Accuracies, failed
from seqmatch.synthetic.subset import Subset

RAW = (labelled(per_class=8)[0] * 25 + 100).clamp(0, 255).to(torch.uint8)
LABELS = labelled(per_class=8)[1]
STATISTICS = Standardization(torch.tensor([0.4]), torch.tensor([0.1]))
SMALL = config.Architecture(family="convnet", width=4, depth=1)


@pytest.fixture(autouse=True)
def own_draws(global_generators_stay_untouched):
    """Networks of these tests draw as PyTorch's do."""
    with torch.random.fork_rng():
        yield


def distilled(shape=(1, 8, 8), **evaluation):
    images, labels = labelled(per_class=2, shape=shape)
    channels = shape[0]
    return Distilled(
        subsets=(Subset(images[::2], labels[::2], 0.05), Subset(images[1::2], labels[1::2], 0.05)),
        normalization=Standardization(STATISTICS.mean.repeat(channels), STATISTICS.std.repeat(channels)),
        class_names=("a", "b", "c"),
        evaluation=config.Evaluation(**{"networks": 2, "epochs": 2, "batch_size": 4, **evaluation}),
        augmentation=("crop",),
        architecture=SMALL,
    )


def linear(inputs=64, outputs=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))


def test_a_network_learns_the_same_for_a_seed_and_other_things_for_another():
    def trained(seed):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 3))
        torch.manual_seed(7 + seed)  # of which nothing depends
        return seqmatch.train(network, distilled(), seed)[2].weight

    assert torch.equal(trained(0), trained(0)) and not torch.equal(trained(0), trained(1))


def test_the_numbers_are_those_of_the_workflow():
    """As scripts/evaluate.py makes them, on test images of the data set."""
    found = distilled(networks=3, epochs=4)
    about = {
        "distilled": {"dataset": "d", "method": "mtt", "ipc": 2, "seed": 5},
        "parameters": {"architecture_name": "small"},
    }
    splits = {"train": torch.arange(6), "validation": torch.arange(0), "test": torch.arange(6, 24)}
    data = Dataset(RAW, LABELS, splits, found.class_names, STATISTICS, found.augmentation)
    job = SimpleNamespace(dataset=data, device=torch.device("cpu"), checkpoint=NoCheckpoint())
    args = SimpleNamespace(architecture=SMALL, evaluation=found.evaluation, compile="auto")
    seed = evaluation_seed("d", 2, 5, "small")
    table = evaluate_curricula({"last": found.stages}, data.split("test"), compute.learner(args, job), seed)
    ours = seqmatch.evaluate(replace(found, about=about), RAW[6:], LABELS[6:])
    assert ours.values == tuple(table["accuracy"]) and len(set(ours.values)) > 1
    assert (ours.mean, ours.std) == (table["accuracy"].mean(), table["accuracy"].std(ddof=1))
    assert seqmatch.evaluate(found, RAW[6:], LABELS[6:], seed=3).values != ours.values


@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray], ids=["torch", "numpy"])
@pytest.mark.parametrize("scale", [1, 255], ids=["uint8", "unit"])
def test_test_images_may_be_of_any_usual_form(kind, scale):
    images = RAW.numpy() if scale == 1 else RAW.numpy() / np.float32(scale)
    found = seqmatch.evaluate(distilled(), kind(images), kind(LABELS.numpy()), networks=1)
    assert found.values == seqmatch.evaluate(distilled(), RAW, LABELS, networks=1).values
    assert len(found.values) == 1 and np.isnan(found.std)


def test_a_torchvision_network_with_batch_norm_learns_from_it():
    network = torchvision.models.resnet18(num_classes=3)
    before = network.bn1.running_mean.clone()
    assert seqmatch.train(network, distilled((3, 32, 32), epochs=1)) is network and not network.training
    assert not torch.equal(network.bn1.running_mean, before)


def test_what_is_frozen_stays_as_it_is():
    frozen = nn.Conv2d(1, 2, 3).requires_grad_(False)
    before = frozen.weight.clone()
    with torch.no_grad():  # as in a notebook's cell that tests
        network = seqmatch.train(nn.Sequential(frozen, linear(72)), distilled())
        found = seqmatch.evaluate(distilled(), RAW, LABELS, lambda: nn.Sequential(frozen, linear(72)))
    assert torch.equal(frozen.weight, before) and not frozen.weight.requires_grad
    assert len(found.values) == 2
    moved = nn.Sequential(frozen, linear(72))
    moved[1].load_state_dict(network[1].state_dict())
    assert torch.equal(moved(RAW / 255), network(RAW / 255))


def test_a_transform_may_change_what_it_is_given_and_learns_nothing():
    frozen = nn.Conv2d(1, 2, 3)
    before, images = frozen.weight.clone(), RAW / 255
    seqmatch.train(linear(72), distilled(), transform=frozen)
    assert torch.equal(frozen.weight, before)

    def accuracies(transform):
        return seqmatch.evaluate(distilled(curriculum="subset"), images, LABELS, linear, transform=transform).values

    assert accuracies(lambda seen: seen.sub_(0.5).mul_(3)) == accuracies(lambda seen: (seen - 0.5) * 3)


class Writing(nn.Flatten):
    def forward(self, images):
        images -= 0.5
        return super().forward(images)


def test_a_network_that_writes_into_its_input_leaves_test_images_as_they_are():
    images, kept = RAW / 255, (RAW / 255).clone()
    seqmatch.evaluate(distilled(), images, LABELS, lambda: nn.Sequential(Writing(), nn.Linear(64, 3)))
    assert torch.equal(images, kept)
    plain = [
        seqmatch.evaluate(distilled(), RAW, LABELS, new, seed=1).values
        for new in (
            lambda: nn.Sequential(Writing(), nn.Linear(64, 3)),
            lambda: nn.Sequential(Shifted(), nn.Linear(64, 3)),
        )
    ]
    assert plain[0] == plain[1]


class Shifted(nn.Flatten):
    def forward(self, images):
        return super().forward(images - 0.5)


def test_no_networks_are_refused():
    with pytest.raises(SeqmatchError, match="networks"):
        seqmatch.evaluate(distilled(), RAW, LABELS, networks=0)


def test_a_network_sees_images_as_a_transform_makes_them():
    sizes = set()

    def larger(images):
        sizes.add(tuple(images.shape[1:]))
        return F.interpolate(images, (12, 12))

    assert seqmatch.evaluate(distilled(), RAW, LABELS, partial(linear, 144), transform=larger).mean > 0
    seqmatch.train(linear(144), distilled(), transform=larger)
    assert sizes == {(1, 8, 8)}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (linear(outputs=5), r"gives \(2, 5\) of two images, expected \(2, 3\): the set has 3 classes; give it 3"),
        (linear(inputs=192), r"does not take the images of this set, 1×8×8 .*: mat1 and mat2 .*; give a network"),
        (nn.Conv2d(3, 4, 3), r"does not take the images of this set, 1×8×8 .* to have 3 channels"),
        (nn.Flatten(), "has no parameters"),
        (linear().double(), "parameter 1.weight: expected float32 numbers to train, found torch.float64"),
        (linear().requires_grad_(False), "no parameters to train: all are frozen"),
        ("resnet18", "expected a torch.nn.Module first, found str"),
        (nn.GRU(8, 3), r"does not take|not a tensor"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_the_reason(network, message):
    with pytest.raises(SeqmatchError, match=message):
        seqmatch.train(network, distilled())


@pytest.mark.parametrize(
    "new_network, message",
    [
        (linear(), "found a network; write lambda"),
        (lambda seed: linear(), "called without arguments, it fails: .* missing 1 required positional argument"),
        (lambda: linear, "one that makes function"),
    ],
)
def test_what_makes_no_networks_is_refused_with_the_reason(new_network, message):
    with pytest.raises(SeqmatchError, match=f"new_network: .*{message}"):
        seqmatch.evaluate(distilled(), RAW, LABELS, new_network)


def test_a_network_that_has_learned_is_no_new_one():
    network, two, weight = linear(), cycle([linear(), linear()]), nn.Parameter(torch.zeros(3, 64))
    drifting = nn.BatchNorm2d(1).requires_grad_(False)

    def of_one_weight():
        made = linear()
        made[1].weight = weight
        return made

    for make in (
        lambda: network,
        lambda: nn.Sequential(network),
        lambda: next(two),
        of_one_weight,
        lambda: nn.Sequential(drifting, linear()),
    ):
        with pytest.raises(SeqmatchError, match="new_network: it makes the same network again"):
            seqmatch.evaluate(distilled(), RAW, LABELS, make, networks=3)


def test_a_network_that_leaves_a_parameter_out_is_refused():
    network = linear()
    network[1].idle = nn.Parameter(torch.zeros(1))
    with pytest.raises(SeqmatchError, match=r"parameter 1\.idle of the network has no part in its logits"):
        seqmatch.train(network, distilled())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:3], r"labels: expected 24 whole numbers, found torch.int64 \(3,\)"),
        (LABELS + 1, "labels: expected 0 to 2, the classes of the set, found 1 to 3"),
        (LABELS.float(), "labels: expected 24 whole numbers, found torch.float32"),
        (F.one_hot(LABELS), r"expected 24 whole numbers, found torch.int64 \(24, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(SeqmatchError, match=message):
        seqmatch.evaluate(distilled(), RAW, labels)


def test_arrays_that_cannot_be_written_to_are_read(recwarn):
    images, labels = (np.frombuffer(t.numpy().tobytes(), t.numpy().dtype).reshape(t.shape) for t in (RAW, LABELS))
    assert seqmatch.evaluate(distilled(), images, labels) == seqmatch.evaluate(distilled(), RAW, LABELS)
    assert not [warned for warned in recwarn if issubclass(warned.category, UserWarning)]


@pytest.mark.parametrize(
    "images, labels",
    [
        (RAW.numpy()[::-1], LABELS.numpy()[::-1]),
        (RAW.numpy(), LABELS.numpy().astype(">i4")),
        (RAW.tolist, LABELS.numpy().astype(np.uint16)),
        ((RAW / 255).requires_grad_(), pd.Series(LABELS.numpy())),
        ((RAW / 255).double().numpy().astype(">f8") + 1e-7, LABELS.numpy().astype(np.uint64)),
    ],
)
def test_arrays_of_any_kind_are_read(images, labels):
    if callable(images):
        images = np.array(images(), np.uint8)
    found = seqmatch.evaluate(distilled(), images, labels, linear, seed=1)
    assert found.values == seqmatch.evaluate(distilled(), RAW, LABELS, linear, seed=1).values


@pytest.mark.parametrize("images", [None, "images", ["a"], RAW.to_sparse(), [RAW[0], RAW[0, :, :3]]])
def test_what_are_no_images_is_refused(images):
    with pytest.raises(SeqmatchError, match="images: expected"):
        seqmatch.evaluate(distilled(), images, LABELS)


@pytest.mark.parametrize("use", [seqmatch.evaluate, seqmatch.test_images, seqmatch.export, seqmatch.save])
def test_what_is_no_set_is_refused(use):
    with pytest.raises(SeqmatchError, match=r"expected a set as seqmatch\.load gives it, found str; seqmatch.load op"):
        use("digits-mtt-ipc2", RAW, LABELS)


def test_accuracies_are_printed_as_tables_have_them():
    assert str(Accuracies((80.0, 82.04), 81.02, 1.44)) == "81.0 ± 1.4 % (2 networks)"
    assert str(Accuracies((80.0,), 80.0, math.nan)) == "80.0 % (1 network)"
    failed = Accuracies((80.0, math.nan, 82.04), 81.02, 1.44)
    assert str(failed) == "81.0 ± 1.4 % (3 networks, 1 failed and left out)"
    assert str(Accuracies((math.nan,), math.nan, math.nan)) == "failed (1 network)"


def test_the_package_names_what_stands_in_it():
    assert {"load", "train", "evaluate", "test_images", "sets"} <= set(dir(seqmatch))
    assert all(callable(getattr(seqmatch, name)) for name in seqmatch.__all__)


def test_editors_know_what_stands_in_the_package():
    """Of the stub, as it would be if it were loaded."""
    told: dict = {}
    exec(Path(seqmatch.__file__).with_suffix(".pyi").read_text(), told)
    assert {name: getattr(seqmatch, name) for name in seqmatch.__all__}.items() <= told.items()


def test_code_that_a_set_names_is_not_run():
    """A set may come from anyone: only its user says which code makes networks."""
    found = replace(distilled(), architecture=config.Architecture(family="antigravity:Net"))
    with pytest.raises(SeqmatchError, match=r"antigravity:Net, whose code is not run for it; give `new_network`"):
        seqmatch.evaluate(found, RAW, LABELS)
    assert seqmatch.evaluate(found, RAW, LABELS, linear, networks=1).mean >= 0


def test_a_network_that_diverges_is_told_of():
    with pytest.warns(UserWarning, match="the network failed: its training diverged"):
        seqmatch.train(linear(), distilled(learning_rate=1e9, epochs=20))


def test_a_network_has_failed_whose_logits_are_no_numbers():
    """Whatever its parameters are: these may be too large, and a mask is infinite."""
    network = linear()
    network.mask = nn.Parameter(torch.tensor(-math.inf), requires_grad=False)
    assert not failed(network, distilled())
    network[1].weight.data.fill_(1e38)
    assert failed(network, distilled())


def test_what_rests_in_evaluation_mode_rests_in_training():
    norm = nn.BatchNorm2d(1).eval()
    before = norm.running_mean.clone()
    seqmatch.train(nn.Sequential(norm, linear()), distilled())
    assert torch.equal(norm.running_mean, before)
    loaded = nn.Sequential(norm, linear()).eval()
    loaded[1] = linear()  # in training mode, as a new head is
    with pytest.raises(SeqmatchError):
        seqmatch.train(nn.Sequential(loaded, linear()), distilled())
    assert loaded[1].training and not norm.training
    seqmatch.train(loaded, distilled())
    assert torch.equal(norm.running_mean, before)
    seqmatch.train(loaded.eval(), distilled())
    assert not torch.equal(norm.running_mean, before)


def test_lazy_layers_take_their_sizes_from_the_set():
    def lazy():
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

    assert seqmatch.train(lazy(), distilled())[1].weight.shape == (3, 64)
    assert len(set(seqmatch.evaluate(distilled(), RAW, LABELS, lazy, networks=3).values)) > 1


def test_sets_are_learned_from_in_inference_mode():
    with torch.inference_mode():
        inside = linear()
        found = seqmatch.evaluate(distilled(), RAW, LABELS, linear, seed=1)
    assert found == seqmatch.evaluate(distilled(), RAW, LABELS, linear, seed=1)
    with pytest.raises(SeqmatchError, match=r"parameter 1\.weight: made within torch\.inference_mode"):
        seqmatch.train(inside, distilled())


def test_another_default_type_is_refused():
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(SeqmatchError, match=r"default type is torch\.float64.*: torch\.set_default_dtype"):
            seqmatch.evaluate(distilled(), RAW, LABELS)
    finally:
        torch.set_default_dtype(torch.float32)


class Auxiliary(nn.Module):
    """As torchvision's GoogLeNet, it gives more in training."""

    def __init__(self):
        super().__init__()
        self.layers = linear()

    def forward(self, images):
        logits = self.layers(images)
        return (logits, logits) if self.training else logits


class Skipping(nn.Module):
    """Leaves a layer out in every other step."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.steps = nn.Linear(64, 64), nn.Linear(64, 3), 0

    def forward(self, images):
        self.steps += self.training
        seen = images.flatten(1)
        return self.last(seen if self.steps % 2 else self.first(seen))


def test_a_network_that_gives_more_in_training_is_refused():
    with pytest.raises(SeqmatchError, match="the network gives tuple in training, not a tensor of logits"):
        seqmatch.train(Auxiliary(), distilled())


def test_a_layer_may_be_left_out_of_a_step():
    network = Skipping()
    before = network.first.weight.clone()
    assert not torch.equal(seqmatch.train(network, distilled()).first.weight, before)


def test_a_transform_that_fails_is_named():
    for transform, message in (
        (lambda images: images.view(5, 5), r"of images \(2, 1, 8, 8\) it fails: shape"),
        (torch.Tensor.numpy, "expected to make a tensor of images, found ndarray"),
    ):
        with pytest.raises(SeqmatchError, match=f"transform: {message}"):
            seqmatch.train(linear(), distilled(), transform=transform)
