"""Networks of the user's own: found, tried, and used by every kind of job."""

import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from helpers.calls import CALLS, call
from helpers.distilling import distilled
from helpers.files import ARCHITECTURE, write_all
from helpers.tiny import TINY, labelled
from shared import compute
from torch import nn

from seqmatch import config
from seqmatch.analysis.evaluation import evaluate
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization
from seqmatch.distillation import alignment, condensation, distribution, gradient, trajectory
from seqmatch.distillation.coresets import embed
from seqmatch.distillation.step import Problem
from seqmatch.errors import SeqmatchError
from seqmatch.files.checkpoint import Checkpoint, NoCheckpoint
from seqmatch.networks import activations, averages_batches, build, count_operations, layer_maps
from seqmatch.networks.build import initialize
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import Subset
from seqmatch.training.ensemble import Member, always_eager, train_ensemble
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.gradients import best_gradients
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Phase, Stage

CPU, SHAPE, CLASSES = torch.device("cpu"), (1, 8, 8), 3

NETS = '''
import numpy as np
import torch
from torch import nn


class Mlp(nn.Sequential):
    """No convolutions, and a norm that the package does not have."""

    def __init__(self, shape, classes, width=6):
        inputs = shape[0] * shape[1] * shape[2]
        super().__init__(
            nn.Flatten(), nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, classes)
        )


class Conv(nn.Module):
    """Parameters and a buffer of its own, beside a convolution."""

    def __init__(self, shape, classes):
        super().__init__()
        self.patches = nn.Conv2d(shape[0], 4, 2, stride=2)
        self.place = nn.Parameter(0.02 * torch.randn(1, 4, shape[1] // 2, shape[2] // 2))
        self.register_buffer("ramp", torch.linspace(0, 1, shape[2] // 2))
        self.norm, self.head = nn.GroupNorm(2, 4), nn.Linear(4, classes)

    def forward(self, images):
        maps = self.norm(self.patches(images) + self.place + self.ramp)
        return self.head(torch.nn.functional.gelu(maps).mean((2, 3)))


class Headless(nn.Module):
    """Linear in the pixels, without a layer of PyTorch's."""

    def __init__(self, shape, classes):
        super().__init__()
        self.templates = nn.Parameter(torch.randn(shape[0] * shape[1] * shape[2], classes))

    def forward(self, images):
        return images.flatten(1) @ self.templates


class Unfilled(Headless):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.scale = nn.Parameter(torch.empty(3))


class Elsewhere(Headless):
    """Drawn from another generator."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.templates.data += torch.from_numpy(np.random.default_rng().random(self.templates.shape))


class Features(Headless):
    def forward(self, images):
        return images.flatten(1)


class Infinite(Headless):
    def forward(self, images):
        return super().forward(images) / 0


class Dropped(Headless):
    def forward(self, images):
        return torch.nn.functional.dropout(super().forward(images), training=self.training)


class Wrong(Headless):
    def forward(self, images):
        return super().forward(images) @ self.templates


class Whole(Headless):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.steps = nn.Parameter(torch.zeros(1, dtype=torch.int64), requires_grad=False)


class Unused(Headless):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.spare = nn.Parameter(torch.zeros(3))


class Detached(Headless):
    def forward(self, images):
        return super().forward(images).detach()


class Frozen(Headless):
    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.gate = nn.Parameter(torch.ones(classes), requires_grad=False)


class Deep(Headless):
    """Draws a number which changes nothing in most calls."""

    def forward(self, images):
        return super().forward(images) * (torch.rand(()) < 1 - 1e-6)


class Averaged(Headless):
    """A batch norm that no module of PyTorch does."""

    def forward(self, images):
        return super().forward(images - images.mean(0))


class Projected(Headless):
    """Its features are drawn, and not trained; a gate without dimensions is."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        size = self.templates.shape[0]
        self.register_buffer("projection", torch.randn(size, size) / size**0.5)
        self.gate = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("used", torch.ones(size, dtype=torch.bool))
        self.register_buffer("order", torch.arange(size, dtype=torch.int32))

    def forward(self, images):
        images = images.flatten(1)[:, self.order] * self.used
        return self.gate * (images @ self.projection @ self.templates)


class Normed(nn.Sequential):
    def __init__(self, shape, classes):
        super().__init__(nn.Conv2d(shape[0], 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, classes))


def lazy(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def nothing(shape, classes):
    return None
'''


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A folder to work in, with a module of networks; forgotten afterwards."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "needy.py").write_text("import no_such_package\n")
    (tmp_path / "broken.py").write_text("x = 1\nx.y\n")
    (tmp_path / "ending.py").write_text("raise SystemExit('bye')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("nets", "needy", "broken"):
        sys.modules.pop(name, None)


def own(name, **options):
    return config.Architecture(family=f"nets:{name}", options=options)


@pytest.mark.parametrize("name", ["Mlp", "Conv", "Headless"])
def test_equal_seeds_give_equal_networks(nets, name):
    one, two, other = (build(own(name), SHAPE, CLASSES, Seed(seed)) for seed in ("a", "a", "b"))
    assert all(
        torch.equal(p, q) and p.isfinite().all() for p, q in zip(one.parameters(), two.parameters(), strict=True)
    )
    assert not all(map(torch.equal, one.parameters(), other.parameters()))


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("no_such:Net", {}, "there is no module no_such, neither installed nor in"),
        ("needy:Net", {}, "there is no module no_such_package"),
        ("broken:Net", {}, r"import broken fails: AttributeError: .*broken\.py, line 2\)"),
        ("ending:Net", {}, r"import ending fails: SystemExit: bye .*ending\.py, line 1\)"),
        ("time:Net", {}, "time has no class Net"),
        ("nets:Net", {}, r"nets\.py has no class Net"),
        ("nets:Mlp", {"depth": 2}, r"TypeError: .*unexpected keyword argument 'depth'"),
        ("nets:nothing", {}, "has to make a torch.nn.Module"),
        ("nets:lazy", {}, "no Lazy modules"),
        ("nets:Unfilled", {}, "its scale is not filled with numbers"),
        ("nets:Elsewhere", {}, "its templates differs from call to call"),
        ("nets:Features", {}, r"for images \(2, 1, 8, 8\) it gives \(2, 64\), not logits \(2, 3\)"),
        ("nets:Infinite", {}, "logits are not finite"),
        ("nets:Dropped", {}, "must not draw random numbers"),
        ("nets:Whole", {}, "parameters have to be real numbers"),
        ("nets:Unused", {}, "its parameter spare has no part in its logits"),
        ("nets:Detached", {}, "the gradient of its logits fails: RuntimeError"),
        ("nets:Wrong", {}, r"a batch of images \(2, 1, 8, 8\) fails: RuntimeError: .*nets\.py, line 7\d\)"),
        ("nets:Frozen", {}, "its parameter gate is frozen; what shall not be trained has to be a buffer"),
        ("nets:Deep", {}, "must not draw random numbers"),
        ("nets:Averaged", {}, "its logits for an image depend on the others of its minibatch"),
    ],
)
def test_a_class_that_cannot_be_used_is_an_error_that_says_why(nets, family, options, message):
    with pytest.raises(SeqmatchError, match=f"architecture of family {family}: .*{message}"):
        build(config.Architecture(family=family, options=options), SHAPE, CLASSES, Seed("n"))


def test_what_a_network_writes_and_costs_is_counted_without_convolutions(nets):
    assert activations(own("Mlp"), SHAPE, CLASSES) == [6]
    assert count_operations(own("Mlp"), SHAPE, CLASSES) == (
        2 * 64 * 6,
        2 * 6 * 3,
        64 * 6 + 6 + 12 + 6 * 3 + 3,
        6 + 3,
        2,
    )
    assert activations(own("Conv"), SHAPE, CLASSES) == [4 * 16]
    assert activations(own("Headless"), SHAPE, CLASSES) == [64]
    assert count_operations(own("Headless"), SHAPE, CLASSES) == (0, 0, 64 * 3, 0, 0)


def test_batch_norm_is_seen(nets):
    networks = {name: build(own(name), SHAPE, CLASSES, Seed("n")) for name in ("Mlp", "Conv", "Normed")}
    assert [name for name, network in networks.items() if averages_batches(network)] == ["Normed"]
    job = SimpleNamespace(dataset=SimpleNamespace(shape=SHAPE, classes=CLASSES), device=CPU)
    asked = SimpleNamespace(architecture=own("Normed"), compile="never")
    assert compute.gradients_for(asked, job)(5).joined(5) == 1  # Table 2 may have it; a user's own is trained alone
    with pytest.raises(SeqmatchError, match="family nets:Normed: what is matched"):
        compute.check_matched(asked, job)


def test_what_is_matched_has_no_buffers_that_are_drawn(nets):
    job = SimpleNamespace(dataset=SimpleNamespace(shape=SHAPE, classes=CLASSES), device=CPU)
    compute.check_matched(SimpleNamespace(architecture=own("Conv")), job)
    with pytest.raises(SeqmatchError, match="family nets:Projected: its buffer projection differs from network to"):
        compute.check_matched(SimpleNamespace(architecture=own("Projected")), job)


def test_features_need_a_head(nets):
    images = labelled()[0]
    assert embed(build(own("Mlp"), SHAPE, CLASSES, Seed("n")), images).shape == (12, 6)
    with pytest.raises(SeqmatchError, match="Headless has no head"):
        embed(build(own("Headless"), SHAPE, CLASSES, Seed("n")), images)


MATCHING = {
    trajectory: config.TrajectoryMatching(synthetic_steps=2, expert_epochs=1, max_start_epoch=1, iterations=2),
    gradient: config.GradientMatching(real_batch=4, network_epochs=1, iterations=2),
    distribution: config.DistributionMatching(real_batch=4, iterations=2),
    condensation: config.CondensationMatching(real_batch=4, network_images=8, iterations=2),
    alignment: config.AlignmentMatching(real_batch=4, network_epochs=1, iterations=2),
}


@pytest.mark.parametrize("name", ["Mlp", "Conv"])
def test_experts_distillation_and_evaluation_take_a_network_of_ones_own(nets, tmp_path, name):
    images, labels = labelled(per_class=6, name="real")
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(18), "validation": torch.arange(0), "test": torch.arange(0)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ())
    spec, settings = own(name), config.Evaluation(networks=2, epochs=4)
    new_network, sizes = partial(build, spec, SHAPE, CLASSES), activations(spec, SHAPE, CLASSES)
    real = Stage(*dataset.split("train"), 0.05)
    phases = [Phase(real, 2, config.Training(batch_size=6), Seed("p"))]
    members = [Member(partial(new_network, Seed(index)), phases) for index in range(2)]
    gradients = partial(best_gradients, "never", "none", sizes, device=CPU)
    save_shard(tmp_path / "shard.safetensors", record_trajectories(members, (), lambda images: gradients(images)), {})
    first = Subset(images[::6].clone(), labels[::6], 0.05)
    with Trajectories([tmp_path / "shard.safetensors"]) as experts:
        for objective, section in MATCHING.items():
            if objective is {"Mlp": condensation, "Conv": alignment}[name]:
                continue
            needed = experts if objective is trajectory else None
            problem = Problem(dataset, spec, section, first.labels, 3, needed, Seed("d"), CPU, "never")
            snapshots = distilled(first, [], objective.make_step(problem), section, NoCheckpoint(), CPU)
            assert not torch.equal(snapshots.images[-1], first.images) and snapshots.images.isfinite().all()
    learner = Learner(new_network, settings, gradients_for=lambda images: gradients(images))
    curricula = {"last": make_curriculum([snapshots.subset(-1)], settings)}
    assert evaluate(curricula, (images, labels), learner, Seed("e"))["accuracy"].between(0, 100).all()


def test_parameters_without_dimensions_and_buffers_of_any_kind_are_resumed(nets, tmp_path, capsys):
    settings = config.Training(batch_size=6, momentum=0.9)
    phases = [Phase(Stage(*labelled(), 0.05), 3, settings, Seed("p"))]

    def trained(checkpoint, record):
        members = [Member(partial(build, own("Projected"), SHAPE, CLASSES, Seed("n")), phases)]
        return train_ensemble(members, record, (), always_eager, checkpoint, "test")

    def gate(network, position):
        return network.gate.detach().clone()

    def killed(network, position):
        if position.epoch == 3:
            raise KeyboardInterrupt
        return gate(network, position)

    (whole,) = trained(NoCheckpoint(), gate)
    with pytest.raises(KeyboardInterrupt):
        trained(Checkpoint(tmp_path, "work", 0), killed)
    (again,) = trained(Checkpoint(tmp_path, "work", 0), gate)
    assert "resumed from" in capsys.readouterr().err
    assert torch.equal(torch.stack(whole.records), torch.stack(again.records)) and whole.records[0] != whole.records[-1]


def test_layers_are_matched_where_modules_end_them(nets):
    networks = {name: build(own(name), SHAPE, CLASSES, Seed("n")) for name in ("Mlp", "Conv")}
    maps, last = layer_maps(networks["Mlp"], labelled()[0])
    assert len(maps) == 1 and torch.equal(maps[0], last) and last.shape == (12, 6)
    with pytest.raises(SeqmatchError, match=r"Conv has no layers whose maps can be matched: .*ReLU"):
        layer_maps(networks["Conv"], labelled()[0])
    with torch.random.fork_rng():  # layers draw from the global generator
        tokens = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (8, 8)), nn.Flatten(0, 1), nn.Tanh(), nn.Linear(8, 3))
    with pytest.raises(SeqmatchError, match=r"of 12 images a layer \(Tanh\) gives \(96, 8\)"):
        layer_maps(tokens, labelled()[0])


def test_every_script_takes_a_network_of_ones_own(nets, tmp_path):
    write_all(tmp_path)
    of_ours = {ARCHITECTURE: '{"family": "nets:Mlp"}', '{"iterations": 0}': '{"iterations": 1}'}
    scripts = [script for script, words in CALLS.items() if ARCHITECTURE in words]
    assert len(scripts) == 8
    for script in scripts:
        status, said = call(script, *(of_ours.get(word, word) for word in CALLS[script]))
        assert status == 0, said


def test_a_method_that_matches_convolutions_needs_some(nets):
    section = MATCHING[condensation]
    images, labels = labelled(per_class=6)
    pixels = images.to(torch.uint8)
    splits = {"train": torch.arange(18), "validation": torch.arange(0), "test": torch.arange(0)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ())
    step = condensation.make_step(Problem(dataset, own("Mlp"), section, labels[::6], 3, None, Seed("d"), CPU, "never"))
    with pytest.raises(SeqmatchError, match="convolutions"):
        step(images[::6], 0.05, 0)


class Scale(nn.Module):
    """A layer that the package does not know, without a way to fill it."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3))


@pytest.mark.parametrize("layer", [lambda: nn.LayerNorm(3), lambda: nn.Conv1d(3, 2, 2), lambda: nn.RMSNorm(3)])
def test_a_layer_of_an_unknown_kind_fills_itself_from_the_given_generator(layer):
    with torch.random.fork_rng():  # these draw from the global generator
        layers = [layer(), layer()]
    for each in layers:
        for parameter in each.parameters():
            parameter.data.fill_(float("nan"))
        initialize(nn.Sequential(each), torch.Generator().manual_seed(0))
    for one, two in zip(*(each.parameters() for each in layers), strict=True):
        assert one.isfinite().all() and torch.equal(one, two)


@pytest.mark.parametrize("layer", [Scale, lambda: nn.BatchNorm1d(3)])
def test_a_layer_that_cannot_fill_itself_is_an_error_that_names_it(monkeypatch, layer):
    def family(spec, channels, size, classes):
        return nn.Sequential(nn.Flatten(), layer(), nn.Linear(64, 3))

    monkeypatch.setattr("seqmatch.networks.convnet.convnet", family)
    with pytest.raises(SeqmatchError, match=r"the layer 1 \((Scale|BatchNorm1d)\) does not fill its own numbers"):
        build(TINY, SHAPE, CLASSES, Seed("n"))
