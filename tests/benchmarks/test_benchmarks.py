"""The benchmarks measure what they say: the plain way gives the same results, and the report the right ratios."""

import json
import sys

import pandas as pd
import pytest
import torch
from helpers.fake_gpu import CUDA, FakeGpu
from helpers.tiny import TINY, normal

from benchmarks import cases, peer, plain
from benchmarks.__main__ import beside
from benchmarks.cases import OURS, PLAIN, TUNED, Case
from benchmarks.report import Measurement, in_words, write
from seqmatch import config
from seqmatch.data import normalization
from seqmatch.distillation.condensation import MEASURES
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.gradient import DIRECTIONS, match_gradient
from seqmatch.matching.match import pull_back
from seqmatch.matching.unrolled import Descent, distance, one_graph
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.formation import decode

CPU = torch.device("cpu")
NET = {"width": 4, "pixels": 8, "channels": 1}
TINY_CASES = [
    Case("matching", {"B": 4, "T": 2, "experts": 2, "compile": "never", **NET}),
    Case("gradient matching", {"real": 3, "ipc": 2, **NET}),
    Case("condensation", {"real": 3, "ipc": 2, "learned": 64, **NET}),
    Case("training", {"images": 12, "batch": 5, "compile": "never", **NET}),
    Case("evaluation", {"images": 12, "networks": 2, "epochs": 2, "compile": "never", **NET}),
    Case("evaluation", {"images": 12, "networks": 3, "epochs": 2, "compile": "never", "joined": 2, **NET}, (OURS,)),
    Case("test pass", {"images": 12, **NET}),
    Case("whitening", {"images": 60, "pixels": 4}),
    Case("expert reading", {"experts": 2, "epochs": 3, "parameters": 10}),
    Case("gemm", {"size": 8}),
    Case("convolution", {"images": 2, "width": 3, "pixels": 4}),
]


@pytest.mark.parametrize("case, way", [(case, way) for case in TINY_CASES for way in case.ways if way != TUNED])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=["cpu", "cuda"])
def test_every_task_runs_in_both_ways(case, way, device):
    with torch.random.fork_rng(), FakeGpu():  # the plain way draws from the global generator
        cases.TASKS[case.task](way, device, **case.sizes)()


def test_the_plain_match_is_the_same_match(monkeypatch):
    monkeypatch.setattr(plain, "augment", lambda images: images)
    network, other = (build(TINY, (1, 8, 8), 3, Seed(name)).double() for name in ("start", "target"))
    start, target = plain.flat_parameters(network), plain.flat_parameters(other)
    images, labels, rate = normal(6, 1, 8, 8, dtype=torch.float64), torch.arange(6) % 3, 2**-5
    with torch.random.fork_rng():
        loss, by_images, by_rate = plain.match(network, (start, target), (images, labels), 6, 3, rate)
    batches = [(lambda x: x, torch.arange(6))] * 3
    ours = one_graph(classifier(network), start, distance(start, target), images, labels, batches, Descent(rate))
    assert ours.loss == pytest.approx(loss, rel=1e-10)
    assert ours.step_size_gradient == pytest.approx(by_rate, rel=1e-5)  # the plain step size is a float32
    assert torch.allclose(ours.image_gradient, by_images, rtol=1e-8, atol=1e-12)


def test_the_plain_gradient_matching_is_the_same():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, images = normal(3, 4, 1, 8, 8, name="r").double(), normal(3, 2, 1, 8, 8).double()
    loss, gradient = plain.match_gradients(network, real, images)
    ours = match_gradient(network, real, images.flatten(0, 1), torch.arange(6).view(3, 2), lambda x: x, DIRECTIONS, 3)
    assert ours.loss == pytest.approx(loss, rel=1e-6)
    assert torch.allclose(ours.image_gradient, gradient.flatten(0, 1), rtol=1e-6, atol=1e-9)


def test_the_plain_condensation_is_the_same():
    network = build(TINY, (1, 8, 8), 3, Seed("n")).double()
    real, stored = normal(3, 4, 1, 8, 8, name="r").double(), normal(3, 2, 1, 8, 8).double()
    loss, gradient = plain.match_convolutions(network, real, stored)
    leaf = stored.flatten(0, 1).requires_grad_()
    decoded = decode(leaf, 2)
    members = torch.arange(24).view(3, 8)
    ours = match_gradient(network, real, decoded, members, lambda x: x, MEASURES["squared"], 3)
    assert ours.loss == pytest.approx(loss, rel=1e-9)
    (by_stored,) = pull_back(decoded, ours.image_gradient, leaf)
    assert torch.allclose(by_stored, gradient.flatten(0, 1), rtol=1e-8, atol=1e-12)


def test_the_plain_whitening_is_the_same_whitening():
    images = torch.randint(0, 256, (300, 3, 4, 4), dtype=torch.uint8, generator=Seed("w").generator())
    ours = normalization.fit_whitening(images, 0.1)
    mean, matrix = plain.whitening(images.float() / 255, 0.1)
    assert (ours.mean - mean).abs().max() < 1e-5 and (ours.matrix - matrix).abs().max() < 1e-4


def test_the_least_work_of_a_convnet_counted_by_hand():
    case = Case("test pass", {"images": 10, "width": 2, "pixels": 8, "channels": 1})
    first, second = 2 * (8 * 8 * 2) * 9 * 1, 2 * (4 * 4 * 2) * 9 * 2
    second += 2 * (2 * 2 * 2) * 10  # the linear layer
    assert cases.least_flops(case, OURS) == 10 * (first + second)
    training = Case("training", {"images": 10, "batch": 5, "compile": "never", "width": 2, "pixels": 8, "channels": 1})
    assert cases.least_flops(training, OURS) == 10 * (2 * first + 3 * second)


def test_the_report_holds_ratios_and_slopes(tmp_path):
    case = Case("test pass", {"images": 12, **NET})
    points = [Case("matching", {"B": 4, "T": steps, "compile": "never", **NET}, (OURS,)) for steps in (1, 2, 4)]
    results = (
        {
            (case.name, OURS): [Measurement(9.0, [1.0, 3.0, 2.0], 100.0, 50.0)],
            (case.name, PLAIN): [Measurement(9.0, [8.0], 400.0, 50.0), Measurement(9.0, [8.0], 300.0, 50.0)],
            (case.name, TUNED): [Measurement(9.0, [4.0], 500.0, 50.0)],
        }
        | {
            (peak.name, OURS): [Measurement(1.0, [seconds], 1.0, 1.0)]
            for peak, seconds in zip(cases.PEAKS, (1, 2), strict=True)
        }
        | {(point.name, OURS): [Measurement(1.0, [point.sizes["T"] * 0.5], 100.0, 50.0)] for point in points}
    )
    text = write(tmp_path, cases.PEAKS, [case], [("T", "B 4", points)], results, {"processor": "some"})
    table = pd.read_csv(tmp_path / "cases.csv").set_index("way")
    assert table.loc[PLAIN, "seqmatch / this, time"] == 0.25 and table.loc[PLAIN, "seqmatch / this, memory"] == 0.25
    assert table.loc[TUNED, "seqmatch / this, time"] == 0.5
    assert table.loc[OURS, ["least", "seconds", "most"]].tolist() == [1, 2, 3]
    about = json.loads((tmp_path / "about.json").read_text())
    products, convolutions = 2 * 2048**3 / 1e9, 2 * 9 * 16 * (256 * 32) ** 2 / 2 / 1e9
    assert about["gemm peak, GFLOP/s"] == pytest.approx(products, abs=0.1)
    assert about["convolution peak, GFLOP/s"] == pytest.approx(convolutions, abs=0.1)
    share = table.loc[OURS, "share of peak"]
    assert share == pytest.approx(cases.least_flops(case, OURS) / 2 / (max(products, convolutions) * 1e9), abs=0.01)
    assert about["slopes"]["T"] == {"seconds": pytest.approx(1), "peak MB": pytest.approx(0)}
    assert (tmp_path / "performance.png").stat().st_size > 10_000 and "some" in text


def test_a_case_is_named_shortly_in_the_figure():
    assert in_words("test pass", "images 9, width 4, pixels 8, channels 1") == "test pass: images 9, width 4, 8×8×1"
    assert in_words("matching", "B 2, compile always") == "matching: B 2, compiled"
    assert in_words("matching", "B 2, compile never") == "matching: B 2"


def test_every_case_names_a_task_and_has_a_name_of_its_own():
    for suite in (cases.FULL, cases.QUICK, cases.GPU):
        timed = [*suite.cases, *cases.PEER]
        assert len({case.name for case in timed}) == len(timed)
        for case in [*timed, *(point for _, _, points in suite.curves for point in points)]:
            assert case.task in cases.TASKS


def test_the_experiment_that_is_planned_is_one():
    experiment = config.load(cases.experiment(datasets=2, seeds=3))
    assert not experiment.warnings and len(experiment.runs) == 2 * 2 * 3
    assert {(run.ipc, run.subsets) for run in experiment.runs.values() if run.sequential} == {(10, 2), (50, 3)}


PUBLIC = {
    "networks.py": """
from torch import nn
class ConvNet(nn.Sequential):
    def __init__(self, channels, classes, width, depth, act, norm, pooling, size):
        super().__init__(nn.Conv2d(channels, width, 3), nn.Flatten(), nn.LazyLinear(classes))
        import torch; self(torch.zeros(1, channels, *size))
""",
    "reparam_module.py": """
import torch
from torch import nn
class ReparamModule(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.inner = [module]
        self.flat_param = nn.Parameter(torch.cat([p.detach().flatten() for p in module.parameters()]))
    def forward(self, images, flat_param):
        named, parts = dict(self.inner[0].named_parameters()), {}
        for name, part in zip(named, flat_param.split([p.numel() for p in named.values()])):
            parts[name] = part.view(named[name].shape)
        return torch.func.functional_call(self.inner[0], parts, (images,))
""",
    "utils.py": """
import kornia_that_is_not_there
from torch.utils.data import TensorDataset
calls = []
class ParamDiffAug: pass
def DiffAugment(images, strategy, param): return images
def epoch(mode, loader, network, optimizer, criterion, args, aug):
    calls.append((mode, args.dsa, aug, sum(len(images) for images, _ in loader)))
""",
}


def test_the_public_code_is_one_more_way(tmp_path, monkeypatch):
    for name, text in PUBLIC.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cases, "CHECKOUT", tmp_path)
    monkeypatch.setattr(peer, "UNUSED", ["kornia_that_is_not_there"])
    monkeypatch.setattr("sys.path", list(sys.path))
    for name in ("networks", "reparam_module", "utils", "kornia_that_is_not_there"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    sizes = {"width": 2, "pixels": 8, "channels": 3}
    with torch.random.fork_rng():
        matched = cases.TASKS["matching"](peer.NAME, CPU, B=4, T=2, compile="never", **sizes)()
        assert matched[0][0] > 0 and matched[0][1].shape == (4, 3, 8, 8)
        cases.TASKS["evaluation"](peer.NAME, CPU, images=12, networks=2, epochs=2, compile="never", **sizes)()
        cases.TASKS["test pass"](peer.NAME, CPU, images=12, **sizes)()
    assert sys.modules["utils"].calls == [("train", True, True, 12)] * 4 + [("test", True, False, 12)]


def test_what_is_no_checkout_of_the_public_code_is_refused(tmp_path):
    (tmp_path / "networks.py").touch()
    with pytest.raises(SeqmatchError, match=r"--peer .*: no reparam_module.py there"):
        peer.check(tmp_path)


def test_the_public_code_is_compared_where_it_can_be():
    grey, coloured, ours = (
        Case("matching", {"B": 4, "T": 2, "channels": channels}, ways)
        for channels, ways in ((1, (OURS, PLAIN)), (3, (OURS, PLAIN)), (3, (OURS,)))
    )
    assert beside(grey) == grey and beside(ours) == ours
    assert beside(coloured).ways == (OURS, PLAIN, *peer.WAYS)
