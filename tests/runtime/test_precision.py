import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import labelled

from seqmatch import config
from seqmatch.networks import build
from seqmatch.runtime import budget
from seqmatch.runtime.device import prepare
from seqmatch.runtime.precision import arithmetic
from seqmatch.seeds import Seed
from seqmatch.training.gradients import Gradients, compiled_gradient, in_chunks, loss_gradient
from seqmatch.training.inference import instance_losses
from seqmatch.training.loop import Phase, Stage, train_through
from seqmatch.training.sharpness import sharpness_aware

CPU = torch.device("cpu")


def network():
    return build(config.Architecture(family="convnet", width=4, depth=2), (1, 8, 8), 3, Seed("net"))


def learned(precision, epochs=1, gradient=loss_gradient):
    """A network after some epochs of one batch."""
    net = network()
    settings = config.Training(batch_size=12, momentum=0.9, precision=precision)
    train_through(
        net, [Phase(Stage(*labelled(), 0.05), epochs, settings, Seed("t"))], [], Gradients(lambda full: gradient)
    )
    return net


def bfloat16_logits(net, images):
    """Written out: every product of bfloat16 numbers, statistics of single precision."""
    maps = images.bfloat16()
    for conv, norm in ((net[0], net[1]), (net[4], net[5])):
        maps = F.conv2d(maps, conv.weight.bfloat16(), conv.bias.bfloat16(), padding=1)
        maps = F.group_norm(maps.float(), norm.num_groups, norm.weight, norm.bias, norm.eps).bfloat16()
        maps = F.avg_pool2d(F.relu(maps), 2)
    return F.linear(maps.flatten(1), net[9].weight.bfloat16(), net[9].bias.bfloat16())


def distance(left, right):
    pairs = zip(left.parameters(), right.parameters(), strict=True)
    return float(sum((p.detach() - q.detach()).square().sum() for p, q in pairs).sqrt())


def test_training_in_bfloat16_rounds_what_is_multiplied_and_nothing_else():
    ours, full, theirs = learned("bfloat16"), learned("float32"), network()
    images, labels = labelled()
    order = torch.randperm(12, generator=(Seed("t") / 0).generator())
    loss = F.cross_entropy(bfloat16_logits(theirs, images[order]).float(), labels[order])
    gradients = torch.autograd.grad(loss, list(theirs.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(theirs.parameters(), gradients, strict=True):
            parameter.sub_(gradient, alpha=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in ours.parameters())
    assert distance(ours, theirs) < 0.05 * distance(ours, full)
    assert distance(ours, full) < 0.1 * distance(network(), full)


@pytest.mark.slow
def test_compiled_training_in_bfloat16_rounds_as_much_as_eager_training_does():
    full, eager, compiled = (
        learned(*how) for how in (("float32",), ("bfloat16",), ("bfloat16", 1, compiled_gradient(fall_back=False)))
    )
    assert 0.3 * distance(eager, full) < distance(compiled, full) < 3 * distance(eager, full)


def test_pooling_and_chunks_in_bfloat16(monkeypatch):
    """Our own pooling rounds like PyTorch's, and chunks add up in float32."""
    net, (images, labels) = network(), labelled()
    with arithmetic("bfloat16", CPU):
        whole = loss_gradient(net, images, labels)
        monkeypatch.setattr(budget, "POOLING_NUMBERS", 0)
        chunked = in_chunks(5, loss_gradient)(net, images, labels)
    full = loss_gradient(net, images, labels)
    for ours, theirs, exact in zip(chunked, whole, full, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.2 * exact.norm() + 1e-3


def test_sharpness_aware_training_in_bfloat16_sees_the_perturbed_network():
    rho, (images, labels) = 1.0, labelled()
    net, moved = network(), network()
    with arithmetic("bfloat16", CPU):
        found = sharpness_aware(loss_gradient, rho, 0)(net, images, labels)
        plain = loss_gradient(net, images, labels)
    norm = sum(part.square().sum() for part in plain).sqrt()
    with torch.no_grad():
        for parameter, part in zip(moved.parameters(), plain, strict=True):
            parameter.add_(part, alpha=float(rho / norm))
    with arithmetic("bfloat16", CPU):
        expected = loss_gradient(moved, images, labels)
    far = sum((e - p).square().sum() for e, p in zip(expected, plain, strict=True)).sqrt()
    near = sum((e - f).square().sum() for e, f in zip(expected, found, strict=True)).sqrt()
    assert near < 0.1 * far


def test_training_in_tf32_is_float32_on_a_cpu():
    assert distance(learned("tf32", epochs=3), learned("float32", epochs=3)) == 0


def test_networks_are_tested_in_full_precision():
    net, (images, labels) = learned("bfloat16", epochs=2), labelled()
    with torch.no_grad():
        expected = F.cross_entropy(net(images), labels, reduction="none")
    assert torch.equal(instance_losses(net, images, labels), expected)


def test_a_process_computes_in_full_precision_except_where_it_is_told():
    """PyTorch's default for convolutions on a GPU is TF32."""
    prepare(0, torch.get_num_threads())
    settings = torch.backends.cudnn.conv, torch.backends.cuda.matmul

    def now():
        return [setting.fp32_precision for setting in settings]

    assert now() == ["ieee", "ieee"]
    with arithmetic("tf32", CPU):
        assert now() == ["tf32", "tf32"]
    assert now() == ["ieee", "ieee"]
    with arithmetic("tf32", CPU):
        for setting in settings:  # as the compiler does
            setting.fp32_precision = setting.fp32_precision
    assert now() == ["ieee", "ieee"]
    with pytest.raises(ZeroDivisionError), arithmetic("tf32", CPU):
        raise ZeroDivisionError
    assert now() == ["ieee", "ieee"]


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_only_bfloat16_is_autocast(precision):
    with arithmetic(precision, CPU):
        assert not torch.is_autocast_enabled("cpu")
    with arithmetic("bfloat16", CPU):
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
