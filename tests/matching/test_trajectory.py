"""The exact gradient against plain unrolled autograd."""

import subprocess
import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import TINY, normal
from torch.func import functional_call

from seqmatch import config
from seqmatch.matching import dispatch
from seqmatch.matching.derivatives import Derivatives, classification_loss, compiled, eager
from seqmatch.matching.dispatch import best_match, stride
from seqmatch.matching.trajectory import match_adjoint, match_unrolled, unflatten
from seqmatch.networks import activations, build, structure
from seqmatch.seeds import Seed
from seqmatch.transforms import dsa

NETWORKS = [
    config.Network(family=family, width=8, depth=depth, norm=norm)
    for family, depth in (("convnet", 1), ("convnet", 3), ("resnet18", 1), ("vgg11", 1), ("alexnet", 1))
    for norm in ("instance", "none")
]
CONVNET = NETWORKS[2]
COMPILED = [NETWORKS[index] for index in (2, 3, 4, 8)]  # each network once: compiling takes a minute


def side(spec):
    """Pixels at which the problem is well conditioned: ResNet18's instance norm needs maps larger than 2×2."""
    return 32 if spec.family == "resnet18" else 8


def problem(spec, operation, dtype, steps, size=8, images=6):
    """(network, start, target, images, batches) with a minibatch of its own at each step."""
    network = build(spec, (3, size, size), 3, Seed("student")).to(dtype)
    start = [parameter.detach() for parameter in network.parameters()]
    other = build(spec, (3, size, size), 3, Seed("goal")).to(dtype)
    target = [p + 0.1 * (q.detach() - p) for p, q in zip(start, other.parameters(), strict=True)]
    pixels = normal(images, 3, size, size, dtype=torch.float64).to(dtype)
    labels = torch.arange(images) % 3
    generator = Seed("batches").generator()
    batches = []
    for _ in range(steps):
        index = torch.randperm(images, generator=generator)[: images - 2]
        drawn = dsa.draw([operation] if operation else [], len(index), generator)
        batches.append((lambda x, index=index, drawn=drawn: dsa.apply(drawn, x[index]), labels[index]))
    return network, start, target, pixels, batches


def by_adjoint(network, *setting, chunk=3, stride=1):
    """In chunks that do not divide the batch."""
    return match_adjoint(Derivatives(eager(classification_loss(network)), chunk), stride, *setting)


def by_unrolling(network, *setting):
    return match_unrolled(classification_loss(network), *setting)


def unrolled(network, start, target, images, batches, step_size):
    """The same by one graph through every step."""
    names = [name for name, _ in network.named_parameters()]

    def loss(theta, batch, labels):
        logits = functional_call(network, dict(zip(names, theta, strict=True)), (batch,))
        return F.cross_entropy(logits, labels)

    images = images.clone().requires_grad_()
    alpha = torch.tensor(step_size, dtype=images.dtype, requires_grad=True)
    theta = [parameter.clone().requires_grad_() for parameter in start]
    for view, labels in batches:
        gradient = torch.autograd.grad(loss(theta, view(images), labels), theta, create_graph=True)
        theta = [p - alpha * g for p, g in zip(theta, gradient, strict=True)]
    ours = sum(((p - q) ** 2).sum() for p, q in zip(theta, target, strict=True))
    scale = sum(((p - q) ** 2).sum() for p, q in zip(start, target, strict=True))
    value = ours / scale
    by_images, by_alpha = torch.autograd.grad(value, [images, alpha])
    return float(value.detach()), by_images, float(by_alpha)


def relative(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def assert_equal(match, reference, tolerance):
    value, by_images, by_alpha = reference
    assert abs(match.loss - value) <= tolerance * abs(value)
    assert by_images.norm() > 0
    assert relative(match.image_gradient, by_images) < tolerance
    assert abs(match.step_size_gradient - by_alpha) < tolerance * abs(by_alpha)


@pytest.mark.parametrize("operation", [None, *dsa.OPERATIONS])
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}")
def test_gradient_is_exact_on_every_network_through_every_augmentation(spec, operation):
    setting = problem(spec, operation, torch.float64, steps=3, size=side(spec))
    reference = unrolled(*setting, 0.05)
    assert_equal(by_adjoint(*setting, 0.05), reference, 1e-9)
    assert_equal(by_unrolling(*setting, 0.05), reference, 1e-9)


@pytest.mark.parametrize("operation", [None, "color", "scale"])
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}")
def test_gradient_in_single_precision_is_as_good_as_unrolling(spec, operation):
    """Below 1e-3 where rounding allows; deep networks with instance norm on tiny maps amplify it in either way."""
    single = problem(spec, operation, torch.float32, steps=4, size=side(spec))
    value, by_images, _ = unrolled(*problem(spec, operation, torch.float64, steps=4, size=side(spec)), 0.01)
    of_unrolling = relative(unrolled(*single, 0.01)[1].double(), by_images)
    for match in by_adjoint(*single, 0.01, chunk=4), by_unrolling(*single, 0.01):
        error = relative(match.image_gradient.double(), by_images)
        assert abs(match.loss - value) < 1e-3 * value
        assert error < max(1e-3, 3 * of_unrolling)
        if spec.family in ("convnet", "alexnet"):
            assert error < 1e-3


def smooth(theta, x, y, weights):
    return weights @ ((x.flatten(1) @ theta[0]).tanh() - y).square().mean(1)


@pytest.mark.parametrize(
    "match",
    [partial(match_adjoint, Derivatives(eager(smooth), chunk=2), 3), partial(match_unrolled, smooth)],
    ids=["adjoint", "unrolled"],
)
def test_gradient_against_finite_differences_of_a_smooth_loss(match):
    start, target = [normal(4, 2, name="s", dtype=torch.float64)], [normal(4, 2, name="t", dtype=torch.float64)]
    images = normal(3, 1, 2, 2, dtype=torch.float64)
    batches = [(lambda x: x, normal(3, 2, name=f"y{i}", dtype=torch.float64)) for i in range(4)]
    found = match(start, target, images, batches, 0.3)
    step = 1e-6
    for position in range(images.numel()):
        shift = torch.zeros(images.numel(), dtype=torch.float64)
        shift[position] = step
        shift = shift.view_as(images)
        ends = [match(start, target, images + sign * shift, batches, 0.3).loss for sign in (1, -1)]
        assert abs((ends[0] - ends[1]) / (2 * step) - found.image_gradient.flatten()[position]) < 1e-8
    ends = [match(start, target, images, batches, 0.3 + sign * step).loss for sign in (1, -1)]
    assert abs((ends[0] - ends[1]) / (2 * step) - found.step_size_gradient) < 1e-8


@pytest.mark.parametrize("stride", [2, 3, 7, 100])
def test_computing_parameters_twice_changes_no_bit(stride):
    setting = problem(CONVNET, "crop", torch.float32, steps=7)
    once, twice = by_adjoint(*setting, 0.01), by_adjoint(*setting, 0.01, stride=stride)
    assert torch.equal(once.image_gradient, twice.image_gradient)
    assert (once.loss, once.step_size_gradient) == (twice.loss, twice.step_size_gradient)


def test_images_that_no_batch_uses_get_no_gradient():
    network, start, target, images, batches = problem(CONVNET, None, torch.float64, steps=2)
    used = batches[0][0](torch.arange(len(images), dtype=torch.float64).view(-1, 1, 1, 1)).flatten().long()
    unused = [i for i in range(len(images)) if i not in used]
    assert len(unused) == 2
    for way in by_adjoint, by_unrolling:
        match = way(network, start, target, images, batches[:1], 0.1)
        assert (match.image_gradient[unused] == 0).all()


def test_unflatten_inverts_flattening():
    network = build(NETWORKS[0], (3, 8, 8), 3, Seed("n"))
    vector = torch.nn.utils.parameters_to_vector(network.parameters())
    assert all(torch.equal(p, q) for p, q in zip(unflatten(vector, network), network.parameters(), strict=True))


MEMORY = """
import resource, sys
sys.path.insert(0, "tests")
from test_matching import *
torch.set_num_threads(1)
spec = config.Network(family="convnet", width=32, depth=2)
setting = problem(spec, None, torch.float32, steps=int(sys.argv[1]), size=16, images=66)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
by_adjoint(*setting, 0.01, chunk=16)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_does_not_grow_with_the_steps(pytestconfig):
    def peak(steps):
        command = [sys.executable, "-c", MEMORY, str(steps)]
        result = subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True)
        return float(result.stdout)

    few, many = peak(4), peak(32)
    one_step_of_activations = 64 * 32 * (16 * 16 + 8 * 8) * 3 * 4 / 2**20  # conv, norm, ReLU; MiB
    assert many - few < 28 * one_step_of_activations / 4, (few, many)


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_chunks_add_up_to_the_batch(chunk):
    network, start, _, images, _ = problem(TINY, None, torch.float64, steps=1, images=7)
    kernel, labels = eager(classification_loss(network)), torch.arange(7) % 3
    direction = [normal(*p.shape, name=str(i), dtype=torch.float64) for i, p in enumerate(start)]
    whole, cut = Derivatives(kernel, 7), Derivatives(kernel, chunk)
    for ours, theirs in zip(cut.gradient(start, images, labels), whole.gradient(start, images, labels), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-14)
    value, by_theta, by_images = cut.slope(start, images, labels, direction)
    same = whole.slope(start, images, labels, direction)
    for ours, theirs in zip([value, *by_theta, by_images], [same[0], *same[1], same[2]], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [NETWORKS[i] for i in (2, 3, 4, 8)], ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}"
)
def test_compiled_derivatives_equal_eager_ones(spec):
    """The whole match, with minibatches that do not fill their chunks: in float64 as exact as unrolling."""
    network, *setting = problem(spec, "color", torch.float64, steps=2, size=side(spec))
    derivatives = Derivatives(compiled(classification_loss(network), 3, fall_back=False), 3)
    assert_equal(match_adjoint(derivatives, 1, *setting, 0.05), unrolled(network, *setting, 0.05), 1e-9)


@pytest.mark.slow
def test_compiled_derivatives_in_single_precision():
    network, *setting = problem(CONVNET, "scale", torch.float32, steps=4)
    derivatives = Derivatives(compiled(classification_loss(network), 4, fall_back=False), 4)
    match = match_adjoint(derivatives, 2, *setting, 0.01)
    value, by_images, _ = unrolled(*problem(CONVNET, "scale", torch.float64, steps=4), 0.01)
    assert abs(match.loss - value) < 1e-3 * value
    assert relative(match.image_gradient.double(), by_images) < 1e-3
    again = match_adjoint(derivatives, 2, *setting, 0.01)
    assert torch.equal(match.image_gradient, again.image_gradient) and match.loss == again.loss


@pytest.fixture
def ways(monkeypatch):
    """The ways that `best_match` would try, in order."""
    monkeypatch.setattr(dispatch, "first_that_fits", list)
    monkeypatch.setattr(dispatch, "compiled", lambda loss, chunk, fall_back: ("compiled", fall_back))
    return lambda mode, steps, matches, batch=20, activations=(256, 64): best_match(
        structure(TINY, (1, 8, 8), 3), mode, activations, batch, steps, matches, torch.device("cpu")
    )


def test_short_work_stays_eager_and_long_work_is_compiled(ways):
    for mode, matches, compiles in [("auto", 100, 0), ("auto", 10**6, 1), ("never", 10**6, 0), ("always", 1, 1)]:
        first = ways(mode, 10, matches)[0]
        assert first.func is (match_adjoint if compiles else match_unrolled)
        if compiles:
            assert first.args[0].kernel == ("compiled", mode == "auto")


def test_one_graph_only_where_its_memory_is_small(ways):
    first = [ways("never", steps, 1, batch=10, activations=[2**17])[0].func for steps in (16, 18)]
    assert first == [match_unrolled, match_adjoint]  # 17 steps × 10 images × 3 MiB are 512 MiB


def test_where_memory_is_not_enough_pieces_become_smaller(ways):
    one_graph, *adjoint = ways("never", 10, 1)
    assert one_graph.func is match_unrolled
    assert [way.args[0].chunk for way in adjoint] == [20, 10, 5, 2, 1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError("no memory")])
def test_running_out_of_memory_changes_the_way_and_not_the_result(error, capsys):
    network, *setting = problem(CONVNET, "color", torch.float64, steps=3)
    plain = classification_loss(network)

    def narrow(theta, images, labels, weights):
        if len(images) > 2:
            raise error
        return plain(theta, images, labels, weights)

    adjoint = [partial(match_adjoint, Derivatives(eager(narrow), chunk), 1) for chunk in (4, 2)]
    match = dispatch.first_that_fits(iter([partial(match_unrolled, narrow), *adjoint]))
    for _ in range(2):
        assert_equal(match(*setting, 0.05), unrolled(network, *setting, 0.05), 1e-9)
    assert capsys.readouterr().err.count("smaller pieces") == 2
    with pytest.raises(type(error)):
        dispatch.first_that_fits(iter(adjoint[:1]))(*setting, 0.05)


def test_parameters_are_kept_sparsely_only_where_they_are_many():
    cpu = torch.device("cpu")  # 40 MiB: 10 vectors of 2^20 numbers
    assert [stride(steps, 2**20, cpu) for steps in (1, 10, 11, 18, 19, 24, 25)] == [1, 1, 2, 2, 3, 3, 4]
    assert stride(30, 2**25, cpu) == 6  # no choice fits: the least memory


@pytest.mark.parametrize("steps", [4, 8])
def test_the_estimated_memory_of_one_graph_is_that_of_its_tensors(steps):
    """What autograd saves for the backward pass, counted once a storage."""
    spec = config.Network(family="convnet", width=16, depth=3)
    network, *setting = problem(spec, None, torch.float32, steps=steps, size=16, images=34)
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        held.append(tensor)
        return tensor

    held = []
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        by_unrolling(network, *setting, 0.01)
    estimate = steps * 32 * sum(activations(spec, (3, 16, 16), 3)) * dispatch.GRAPH_NUMBERS * dispatch.NUMBER_BYTES
    assert 0.5 < sum(saved.values()) / estimate < 1.5
