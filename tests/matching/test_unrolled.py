"""The exact gradient against plain unrolled autograd."""

import subprocess
import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.captures import Captures
from helpers.tiny import TINY, normal
from torch import nn

from benchmarks.plain import flat_parameters, forward
from seqmatch import config
from seqmatch.matching import dispatch
from seqmatch.matching.derivatives import Derivatives, Student, classifier, compiled, eager, flat, shaped
from seqmatch.matching.dispatch import best_unroll, stride
from seqmatch.matching.halves import halves
from seqmatch.matching.unrolled import Descent, adjoint, distance, first_order, one_graph
from seqmatch.networks import activations, build, structure
from seqmatch.runtime import budget
from seqmatch.runtime.budget import NUMBER_BYTES, budget_of
from seqmatch.runtime.recording import recorded
from seqmatch.seeds import Seed
from seqmatch.transforms import dsa

NETWORKS = [
    config.Architecture(family=family, width=8, depth=depth, norm=norm)
    for family, depth in (("convnet", 1), ("convnet", 3), ("resnet18", 1), ("vgg11", 1), ("alexnet", 1))
    for norm in ("instance", "none")
]
CONVNET, TINY_CONVNET = NETWORKS[2], NETWORKS[0]
CPU = torch.device("cpu")


def side(spec):
    """Pixels at which the problem is well conditioned: ResNet18's instance norm needs maps larger than 2×2."""
    return 32 if spec.family == "resnet18" else 8


def problem(spec, operation, dtype, steps, size=8, images=6):
    """(network, start, target, images, labels, batches) with a minibatch of its own at each step."""
    network, other = (build(spec, (3, size, size), 3, Seed(name)).to(dtype) for name in ("student", "target"))
    start = flat_parameters(network)
    target = start + 0.1 * (flat_parameters(other) - start)
    pixels = normal(images, 3, size, size, dtype=torch.float64).to(dtype)
    labels = torch.arange(images) % 3
    generator = Seed("batches").generator()
    batches = []
    for _ in range(steps):
        index = torch.randperm(images, generator=generator)[: images - 2]
        drawn = dsa.draw([operation] if operation else [], len(index), generator)
        batches.append((lambda x, index=index, drawn=drawn: dsa.apply(drawn, x[index]), index))
    return network, start, target, pixels, labels, batches


def asked(start, target, images, labels, batches, step_size):
    """A trajectory to match, as the ways take it."""
    return start, distance(start, target), images, labels, batches, Descent(step_size)


def by_adjoint(network, *setting, chunk=3, stride=1, kept=0):
    """In chunks that do not divide the batch."""
    student = classifier(network)
    return adjoint(Derivatives(student.shapes, eager(student.loss), chunk), stride, *asked(*setting), kept)


def by_halves(network, *setting, chunk=3, kept=3):
    """As compiled code does it where everything is kept, uncompiled."""
    student = classifier(network)
    kernel = compiled(student.loss, chunk, fall_back=False)
    return adjoint(Derivatives(student.shapes, kernel, chunk), 1, *asked(*setting), kept)


def by_one_graph(network, *setting):
    return one_graph(classifier(network), *asked(*setting))


def unrolled(network, start, target, images, labels, batches, step_size):
    """The same by one graph through every step."""
    images = images.clone().requires_grad_()
    alpha = torch.tensor(step_size, dtype=images.dtype, requires_grad=True)
    theta = start.clone().requires_grad_()
    for view, index in batches:
        loss = F.cross_entropy(forward(network, theta, view(images)), labels[index])
        theta = theta - alpha * torch.autograd.grad(loss, theta, create_graph=True)[0]
    value = ((theta - target) ** 2).sum() / ((start - target) ** 2).sum()
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
    assert_equal(by_adjoint(*setting, 0.05, kept=2), reference, 1e-9)
    assert_equal(by_one_graph(*setting, 0.05), reference, 1e-9)


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr("seqmatch.matching.derivatives.compile_function", lambda function, instead=None: function)


@pytest.mark.parametrize(
    "spec", [NETWORKS[i] for i in (2, 3, 8)], ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}"
)
def test_gradient_by_halves_is_exact(spec, uncompiled):
    setting = problem(spec, "color", torch.float64, steps=3, size=side(spec))
    assert_equal(by_halves(*setting, 0.05), unrolled(*setting, 0.05), 1e-9)


@pytest.mark.parametrize("fall_back", [True, False])
def test_a_loss_that_cannot_be_cut_in_halves_is_computed_twice(fall_back, uncompiled, monkeypatch, capsys):
    def fail(*arguments):
        raise RuntimeError("not traceable")

    monkeypatch.setattr("seqmatch.matching.derivatives.halves", fail)
    network, *setting = problem(CONVNET, None, torch.float64, steps=2)
    student = classifier(network)
    some = Derivatives(student.shapes, compiled(student.loss, 3, fall_back), 3)
    assert_equal(adjoint(some, 1, *asked(*setting, 0.05), 2), unrolled(network, *setting, 0.05), 1e-9)
    assert capsys.readouterr().err.count("this network cannot be traced: not traceable") == 1


def test_the_halves_repeat_no_convolution():
    """Of three layers: 3 forwards and 5 backwards, then those of the derivative; the images have no tangent."""
    network, _, _, images, labels, _ = problem(CONVNET, None, torch.float32, steps=1)
    theta = [parameter.detach() for parameter in network.parameters()]
    pair = halves(classifier(network).loss, theta, images, labels, torch.ones(len(labels)))
    assert [passes(half) for half in pair] == [3 + 6, 5 + 11]


def passes(half):
    """Convolutions, and the gradients of images and weights by their derivatives."""
    aten = torch.ops.aten
    calls = [node for node in half.graph.nodes if node.op == "call_function"]
    backward = [node.args[-1][:2] for node in calls if node.target is aten.convolution_backward.default]
    return sum(node.target is aten.convolution.default for node in calls) + sum(map(sum, backward))


def without_kinks(network, *setting):
    """The same problem with softplus in the place of ReLU, and mean pools in that of max pools."""
    smooth = {nn.ReLU: nn.Softplus(), nn.MaxPool2d: nn.AvgPool2d(2)}
    for module in list(network.modules()):
        for name, child in module.named_children():
            setattr(module, name, smooth.get(type(child), child))
    return network, *setting


ROOMY = {"convnet": 16, "resnet18": 32, "vgg11": 64, "alexnet": 16}
"""Pixels at which instance norm sees no map smaller than 4×4."""


@pytest.mark.parametrize("operation", [None, "color", "scale"])
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}")
def test_gradient_in_single_precision_is_as_good_as_unrolling(spec, operation):
    """Rounding is as small as single precision allows (6e-8 per number), and no larger than in plain unrolling.

    Without kinks, and without tiny maps. A rounding error can move a number across the kink of a ReLU or a max pool;
    this alone changes the gradient by percents. Instance norm divides by the deviation of a map, which can be nearly
    zero for 2×2 pixels. Both happen in any implementation, but each time in another one and on another processor.
    """
    size = ROOMY[spec.family] if spec.norm == "instance" else side(spec)
    single, double = (
        without_kinks(*problem(spec, operation, dtype, steps=3, size=size)) for dtype in (torch.float32, torch.float64)
    )
    value, by_images, _ = unrolled(*double, 0.01)
    of_unrolling = relative(unrolled(*single, 0.01)[1].double(), by_images)
    for match in by_adjoint(*single, 0.01, chunk=4), by_one_graph(*single, 0.01):
        error = relative(match.image_gradient.double(), by_images)
        assert abs(match.loss - value) < 1e-5 * value
        assert error < 3e-5 and error < 2 * of_unrolling


SMOOTH = Student(
    lambda theta, x, y, weights: weights @ ((x.flatten(1) @ theta[0]).tanh() - y).square().mean(1), [torch.Size([4, 2])]
)


@pytest.mark.parametrize(
    "way",
    [partial(adjoint, Derivatives(SMOOTH.shapes, eager(SMOOTH.loss), 2), 3), partial(one_graph, SMOOTH)],
    ids=["adjoint", "one graph"],
)
def test_gradient_against_finite_differences_of_a_smooth_loss(way):
    start, target = normal(8, name="s", dtype=torch.float64), normal(8, name="t", dtype=torch.float64)
    images, labels = normal(3, 1, 2, 2, dtype=torch.float64), normal(12, 2, name="y", dtype=torch.float64)
    batches = [(lambda x: x, torch.arange(3 * i, 3 * i + 3)) for i in range(4)]

    def match(images, step_size=0.3):
        return way(*asked(start, target, images, labels, batches, step_size))

    found = match(images)
    step = 1e-6
    for position in range(images.numel()):
        shift = torch.zeros(images.numel(), dtype=torch.float64)
        shift[position] = step
        shift = shift.view_as(images)
        ends = [match(images + sign * shift).loss for sign in (1, -1)]
        assert abs((ends[0] - ends[1]) / (2 * step) - found.image_gradient.flatten()[position]) < 1e-8
    ends = [match(images, 0.3 + sign * step).loss for sign in (1, -1)]
    assert abs((ends[0] - ends[1]) / (2 * step) - found.step_size_gradient) < 1e-8


def value_of(theta, shapes):
    """A terminal loss of no method, and its gradient."""
    return theta.sin().sum(), theta.cos()


def by_hand(network, start, images, shares, batches, descent):
    """PyTorch's SGD written out as one graph, and the gradients of `value_of` where it ends."""
    pixels, labels = (tensor.clone().requires_grad_() for tensor in (images, shares))
    rates = torch.tensor(descent.rates(len(batches)), dtype=images.dtype).requires_grad_()
    theta, velocity = start.clone().requires_grad_(), torch.zeros_like(start)
    for (view, index), rate in zip(batches, rates, strict=True):
        loss = F.cross_entropy(forward(network, theta, view(pixels)), labels[index])
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        velocity = descent.momentum * velocity + gradient
        theta = theta - rate * velocity
    return [theta.detach(), *torch.autograd.grad(theta.sin().sum(), [pixels, rates, labels])]


DESCENTS = {
    "plain": Descent(0.05),
    "momentum": Descent(0.05, momentum=0.9),
    "rates": Descent([0.05, 0.1, 0.02, 0.07, 0.03]),
    "rates and momentum": Descent([0.05, 0.1, 0.02, 0.07, 0.03], 0.5),
}


@pytest.mark.parametrize("descent", DESCENTS.values(), ids=DESCENTS)
def test_gradients_through_any_descent_to_any_terminal_loss(descent):
    """Of images, of every step's rate, and of labels that are shares of classes."""
    network, start, _, images, labels, batches = problem(CONVNET, "crop", torch.float64, steps=5)
    shares = normal(len(labels), 3, name="shares", dtype=torch.float64).softmax(1)
    end, by_images, by_rates, by_labels = by_hand(network, start, images, shares, batches, descent)
    student = classifier(network)
    some = Derivatives(student.shapes, eager(student.loss), 3)
    ways = [partial(adjoint, some, stride) for stride in (1, 2, 5)]
    keeping = [partial(adjoint, some, stride, kept=kept) for stride, kept in ((2, 2), (1, 5), (1, 9))]
    for way in [partial(one_graph, student), *ways, *keeping]:
        match = way(start, value_of, images, shares, batches, descent)
        assert match.loss == pytest.approx(end.sin().sum().item(), rel=1e-12)
        assert relative(match.image_gradient, by_images) < 1e-10
        assert relative(match.label_gradient, by_labels) < 1e-10
        found = torch.tensor(match.step_size_gradient, dtype=torch.float64)
        assert relative(found, by_rates if found.dim() else by_rates.sum()) < 1e-10


def by_first_order(network, *setting):
    student = classifier(network)
    return first_order(Derivatives(student.shapes, eager(student.loss), 3), *asked(*setting))


def test_the_first_order_gradient_of_one_step_is_exact():
    setting = problem(CONVNET, "crop", torch.float64, steps=1)
    assert_equal(by_first_order(*setting, 0.1), unrolled(*setting, 0.1), 1e-10)


def test_the_first_order_gradient_of_several_steps_is_exact_only_as_the_step_size_goes_to_nothing():
    """Its error is of the order of the step size; the loss, and so the way of the student, is the same."""
    setting = problem(CONVNET, "crop", torch.float64, steps=5)
    errors = {}
    for rate in (1e-5, 1e-4, 1e-3, 0.1):
        value, exact, _ = unrolled(*setting, rate)
        match = by_first_order(*setting, rate)
        assert match.loss == pytest.approx(value, rel=1e-12)
        errors[rate] = relative(match.image_gradient, exact)
    assert errors[1e-4] / errors[1e-5] == pytest.approx(10, rel=0.1)
    assert errors[1e-3] / errors[1e-4] == pytest.approx(10, rel=0.1)
    assert errors[0.1] > 0.05


@pytest.mark.parametrize("descent", DESCENTS.values(), ids=DESCENTS)
def test_the_first_order_gradient_is_that_of_one_graph_cut_between_the_steps(descent):
    network, start, _, images, labels, batches = problem(TINY_CONVNET, "crop", torch.float64, steps=5)
    shares = normal(len(labels), 3, name="shares", dtype=torch.float64).softmax(1)
    pixels, leaves = images.clone().requires_grad_(), shares.clone().requires_grad_()
    rates = torch.tensor(descent.rates(5), dtype=torch.float64, requires_grad=True)
    theta, moved, velocity = start, torch.zeros_like(start), torch.zeros_like(start)
    for (view, index), rate in zip(batches, rates, strict=True):
        cut = theta.detach().requires_grad_()
        loss = F.cross_entropy(forward(network, cut, view(pixels)), leaves[index])
        (gradient,) = torch.autograd.grad(loss, cut, create_graph=True)
        velocity = descent.momentum * velocity + gradient
        moved = moved - rate * velocity
        theta = start + moved
    by_images, by_rates, by_labels = torch.autograd.grad(theta.sin().sum(), [pixels, rates, leaves])
    student = classifier(network)
    derivatives = Derivatives(student.shapes, eager(student.loss), 3)
    match = first_order(derivatives, start, value_of, images, shares, batches, descent)
    assert relative(match.image_gradient, by_images) < 1e-10 and relative(match.label_gradient, by_labels) < 1e-10
    found = torch.tensor(match.step_size_gradient, dtype=torch.float64)
    assert relative(found, by_rates if found.dim() else by_rates.sum()) < 1e-10


@pytest.mark.parametrize("steps", [1, 20])
def test_momentum_over_few_and_many_steps(steps):
    network, start, _, images, labels, batches = problem(TINY_CONVNET, None, torch.float64, steps=steps)
    shares, descent = F.one_hot(labels).double(), Descent(0.05, momentum=0.9)
    _, by_images, by_rates, _ = by_hand(network, start, images, shares, batches, descent)
    student = classifier(network)
    match = adjoint(
        Derivatives(student.shapes, eager(student.loss), 3), 3, start, value_of, images, labels, batches, descent
    )
    assert relative(match.image_gradient, by_images) < 1e-10
    assert match.step_size_gradient == pytest.approx(by_rates.sum().item(), rel=1e-10)


@pytest.mark.parametrize("stride", [2, 3, 7, 100])
def test_computing_parameters_twice_changes_no_bit(stride):
    setting = problem(CONVNET, "crop", torch.float32, steps=7)
    once, twice = by_adjoint(*setting, 0.01), by_adjoint(*setting, 0.01, stride=stride)
    assert torch.equal(once.image_gradient, twice.image_gradient)
    assert (once.loss, once.step_size_gradient) == (twice.loss, twice.step_size_gradient)


def test_images_that_no_batch_uses_get_no_gradient():
    network, start, target, images, labels, batches = problem(CONVNET, None, torch.float64, steps=2)
    used = batches[0][0](torch.arange(len(images), dtype=torch.float64).view(-1, 1, 1, 1)).flatten().long()
    unused = [i for i in range(len(images)) if i not in used]
    assert len(unused) == 2
    for way in by_adjoint, by_one_graph:
        match = way(network, start, target, images, labels, batches[:1], 0.1)
        assert (match.image_gradient[unused] == 0).all()


def test_vectors_hold_the_parameters_in_the_order_of_the_network():
    network = build(NETWORKS[4], (3, 8, 8), 3, Seed("n"))
    vector = torch.nn.utils.parameters_to_vector(network.parameters())
    student = classifier(structure(NETWORKS[4], (3, 8, 8), 3))
    parts = shaped(vector, student.shapes)
    assert all(torch.equal(p, q) for p, q in zip(parts, network.parameters(), strict=True))
    assert torch.equal(flat(parts), vector)
    with pytest.raises(RuntimeError, match="split"):  # an expert of another network
        shaped(vector[1:], student.shapes)


@pytest.mark.parametrize("match", [by_adjoint, by_one_graph])
def test_vectors_that_are_given_stay_as_they_are(match):
    setting = problem(CONVNET, "crop", torch.float32, steps=3)
    given = [tensor.clone() for tensor in setting[1:4]]
    match(*setting, 0.01)
    assert all(torch.equal(p, q) and not p.requires_grad for p, q in zip(setting[1:4], given, strict=True))


MEMORY = """
import sys
sys.path[:0] = ["tests", "tests/matching"]
from test_unrolled import *
from seqmatch.runtime.progress import peak_bytes
torch.set_num_threads(1)
spec = config.Architecture(family="convnet", width=32, depth=2)
setting = problem(spec, None, torch.float32, steps=int(sys.argv[1]), size=16, images=66)
before = peak_bytes()
{way}(*setting, 0.01)
print((peak_bytes() - before) / 2**20)
"""


def test_memory_does_not_grow_with_the_steps(pytestconfig):
    """Of a process of its own; that of one graph does grow, and the measurement shows it."""

    def peak(way, steps):
        command = [sys.executable, "-c", MEMORY.format(way=way), str(steps)]
        result = subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True)
        return float(result.stdout)

    few, many, graph = peak("by_adjoint", 2), peak("by_adjoint", 18), peak("by_one_graph", 18)
    activations_of_a_step = 64 * 32 * (16 * 16 + 8 * 8) * 3 * 4 / 2**20  # conv, norm, ReLU; MiB
    assert many - few < 16 * activations_of_a_step / 4, (few, many)
    assert graph - few > 16 * activations_of_a_step, (few, graph)


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_chunks_add_up_to_the_batch(chunk):
    network, start, _, images, _, _ = problem(TINY, None, torch.float64, steps=1, images=7)
    student, labels = classifier(network), torch.arange(7) % 3
    direction = normal(len(start), name="d", dtype=torch.float64)
    whole, cut = (
        [derivatives.gradient(start, images, labels), *derivatives.slope(start, images, labels, direction)]
        for derivatives in (Derivatives(student.shapes, eager(student.loss), size) for size in (7, chunk))
    )
    for ours, theirs in zip(cut[:-1], whole[:-1], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-14)
    assert cut[-1] is whole[-1] is None  # of labels that are classes


def by_compiled(network, chunk, *handed):
    student = classifier(network)
    return Derivatives(student.shapes, compiled(student.loss, chunk, False, *handed), chunk)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [NETWORKS[i] for i in (2, 3, 4, 8)], ids=lambda spec: f"{spec.family}{spec.depth}-{spec.norm}"
)
def test_compiled_derivatives_equal_eager_ones(spec):
    """The whole match, with minibatches that do not fill their chunks: in float64 as exact as unrolling."""
    network, *setting = problem(spec, "color", torch.float64, steps=2, size=side(spec))
    derivatives = by_compiled(network, 3)
    for kept in (0, 1):
        match = adjoint(derivatives, 1, *asked(*setting, 0.05), kept)
        assert_equal(match, unrolled(network, *setting, 0.05), 1e-9)


@pytest.mark.slow
def test_recorded_derivatives_equal_eager_ones():
    """In float64, with a stand-in for CUDA graphs: tensors that are read and written at the same places each time."""
    network, *setting = problem(CONVNET, "color", torch.float64, steps=4, size=side(CONVNET))
    captures = Captures()
    derivatives = by_compiled(network, 3, partial(recorded, capture=captures))
    match = adjoint(derivatives, 1, *asked(*setting, 0.05), 4)
    assert_equal(match, unrolled(network, *setting, 0.05), 1e-9)
    assert len(captures.replays) == 2 and min(captures.replays) > 2


@pytest.mark.slow
def test_compiled_derivatives_in_single_precision():
    single, double = (
        without_kinks(*problem(CONVNET, "scale", dtype, steps=4, size=16)) for dtype in (torch.float32, torch.float64)
    )
    network, *setting = single
    derivatives = by_compiled(network, 4)
    match = adjoint(derivatives, 2, *asked(*setting, 0.01))
    value, by_images, _ = unrolled(*double, 0.01)
    assert abs(match.loss - value) < 1e-5 * value
    assert relative(match.image_gradient.double(), by_images) < 3e-5
    again = adjoint(derivatives, 2, *asked(*setting, 0.01))
    assert torch.equal(match.image_gradient, again.image_gradient) and match.loss == again.loss


@pytest.fixture
def ways(monkeypatch):
    """The ways that `best_unroll` would try, in order."""
    monkeypatch.setattr(dispatch, "first_that_fits", list)
    monkeypatch.setattr(dispatch, "compiled", lambda *asked: ("compiled", *asked[2:]))
    return lambda mode, steps, matches, batch=20, activations=(256, 64), kept_memory=None, device=CPU: best_unroll(
        structure(TINY, (1, 8, 8), 3), mode, activations, batch, steps, matches, device, kept_memory
    )


def test_short_work_stays_eager_and_long_work_is_compiled(ways):
    for mode, matches, compiles in [("auto", 100, 0), ("auto", 10**6, 1), ("never", 10**6, 0), ("always", 1, 1)]:
        first = ways(mode, 10, matches)[0]
        assert first.func is (adjoint if compiles else one_graph)
        if compiles:
            assert first.args[0].kernel == ("compiled", mode == "auto")


def test_only_small_steps_on_a_gpu_are_recorded(ways):
    for device, batch, expected in [("cuda", 48, True), ("cuda", 49, False), ("cpu", 10, False)]:
        first = ways("always", 10, 1, batch, activations=[2**17, 2**15, 2**13], device=torch.device(device))[0]
        assert (first.args[0].kernel[-1] is recorded) == expected


def test_one_graph_only_where_its_memory_is_small(ways):
    first = [ways("never", steps, 1, batch=10, activations=[2**17])[0].func for steps in (16, 18)]
    assert first == [one_graph, adjoint]  # 17 steps × 10 images × 3 MiB are 512 MiB


def test_where_memory_is_not_enough_chunks_become_smaller(ways):
    first, *others = ways("never", 10, 1)
    assert first.func is one_graph
    assert [way.args[0].chunk for way in others] == [20, 10, 5, 2, 1]


def test_steps_are_kept_as_far_as_memory_goes(ways, monkeypatch):
    monkeypatch.setattr(budget, "main_memory", lambda: 8 * 10 * 2**20)
    monkeypatch.setattr(budget.os, "sched_getaffinity", lambda process: {*range(2 * torch.get_num_threads())})
    per_step = 10 * 2**17 * NUMBER_BYTES
    for mode, numbers in (("always", 1.3), ("never", 6)):
        for spare, steps in (
            (None, 5 * 2**20 // (per_step * numbers)),
            (per_step * numbers * 7.5 / 1e9, 7),
            (0.0, 0),
            (1e3, 40),
        ):
            first, *others = ways(mode, 40, 1, batch=10, activations=[2**17], kept_memory=spare)
            assert first.keywords.get("kept", 0) == steps
            assert not any(way.keywords for way in others)
            assert first.args == others[0].args if steps else first.args[0].chunk > others[0].args[0].chunk


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_running_out_of_memory_changes_the_way_and_not_the_result(error, capsys):
    network, *setting = problem(CONVNET, "color", torch.float64, steps=3)
    plain = classifier(network)

    def narrow(theta, images, labels, weights):
        if len(images) > 2:
            raise error
        return plain.loss(theta, images, labels, weights)

    adjoints = [partial(adjoint, Derivatives(plain.shapes, eager(narrow), chunk), 1) for chunk in (4, 2)]
    match = dispatch.first_that_fits(iter([partial(one_graph, Student(narrow, plain.shapes)), *adjoints]))
    for _ in range(2):
        assert_equal(match(*asked(*setting, 0.05)), unrolled(network, *setting, 0.05), 1e-9)
    assert capsys.readouterr().err.count("smaller chunks") == 2
    with pytest.raises(type(error)):
        dispatch.first_that_fits(iter(adjoints[:1]))(*asked(*setting, 0.05))


def test_parameters_are_kept_sparsely_only_where_they_are_many():
    steps = (1, 10, 11, 18, 19, 24, 25)  # 40 MiB are 10 vectors of 2^20 numbers
    assert [stride(count, 2**20, CPU) for count in steps] == [1, 1, 2, 2, 3, 3, 4]
    assert stride(30, 2**25, CPU) == 6  # no choice fits: the least memory


@pytest.mark.parametrize("steps", [4, 8])
def test_the_estimated_memory_of_one_graph_is_that_of_its_tensors(steps):
    """What autograd saves for the backward pass, each storage counted once."""
    spec = config.Architecture(family="convnet", width=16, depth=3)
    network, *setting = problem(spec, None, torch.float32, steps=steps, size=16, images=34)
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        held.append(tensor)
        return tensor

    held = []
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        by_one_graph(network, *setting, 0.01)
    written = steps * 32 * sum(activations(spec, (3, 16, 16), 3))
    estimate = written * budget_of(CPU).graph_numbers * NUMBER_BYTES
    assert 0.5 < sum(saved.values()) / estimate < 1.5
