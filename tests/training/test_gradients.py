"""The gradient of a minibatch is the same however it is computed."""

import pytest
import torch
from helpers.tiny import labelled, normal

from seqmatch import config
from seqmatch.networks import build
from seqmatch.runtime.budget import chunk_size
from seqmatch.seeds import Seed
from seqmatch.training import gradients
from seqmatch.training.gradients import best_gradients, in_chunks, loss_gradient, only_for
from seqmatch.training.loop import Phase, Stage, train_through

CPU = torch.device("cpu")
SETTINGS = config.Training(batch_size=5, momentum=0.9, weight_decay=1e-3)


def network(norm="instance", name="net"):
    return build(config.Network(family="convnet", width=4, depth=2, norm=norm), (1, 8, 8), 3, Seed(name)).double()


def watched(sizes):
    """The eager gradient, noting how many images it is asked for."""

    def gradient(net, images, labels):
        sizes.append(len(images))
        return loss_gradient(net, images, labels)

    return gradient


def test_chunks_leave_little_empty_and_are_as_large_as_memory_allows():
    for batch, numbers, size in [
        (256, [2**17, 10], 8),  # 4 MiB: 2^20 numbers
        (20, [100], 20),
        (100, [2**17], 5),  # 13 chunks of 8 would hold 104
        (97, [2**17], 7),  # a prime: 14 chunks of 7 hold one too many
        (5, [2**30], 1),
    ]:
        assert chunk_size(batch, numbers, CPU) == size
    assert chunk_size(256, [2**17, 10], torch.device("cuda")) == 256


@pytest.mark.parametrize("size", [1, 4, 5, 12, 100])
@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_mean_over_chunks_is_the_gradient(size, norm, soft):
    net, (images, labels) = network(norm), labelled()
    if soft:
        labels = normal(12, 3, name="soft", dtype=torch.float64).softmax(1)
    found = in_chunks(size, loss_gradient)(net, images.double(), labels)
    for ours, theirs in zip(found, loss_gradient(net, images.double(), labels), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_compiled_code_sees_one_number_of_images():
    sizes = []
    gradient = in_chunks(5, only_for(5, watched(sizes)))
    images, labels = labelled()
    gradient(network(), images.double(), labels)
    gradient(network(), images[:5].double(), labels[:5])
    gradient(network(), images[:3].double(), labels[:3])
    assert sizes == [5, 5, 5]  # of 12, then of 5


@pytest.mark.parametrize(
    "norm, images, sizes",
    [("instance", 12, [4, 4, 4]), ("batch", 12, [8, 4]), ("instance", 9, [4, 4, 1]), ("batch", 9, [9])],
)
def test_batch_norm_sees_a_minibatch_as_a_whole(norm, images, sizes, monkeypatch):
    """In minibatches of 8, where memory allows four images a chunk."""
    seen = []
    monkeypatch.setattr(gradients, "loss_gradient", watched(seen))
    data = Stage(*(tensor[:images] for tensor in labelled()), 0.05)
    phase = Phase(data, 1, config.Training(batch_size=8), Seed("t"))
    train_through(network(norm).float(), [phase], [], best_gradients("never", norm, [2**18], 1, CPU))
    assert seen == sizes


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_compiled_training_is_eager_training_up_to_rounding(norm):
    """In float64, over stages of two sizes with leftover batches, for two networks with one compiled function."""
    images, labels = labelled()
    curriculum = [Stage(images.double(), labels, 0.05), Stage(images[:4].double(), labels[:4], 0.02)]
    always = best_gradients("always", norm, [2**18], 1, CPU)
    for name in ("first", "second"):
        eager, compiled = network(norm, name), network(norm, name)
        way = [Phase(stage, 2, SETTINGS, Seed("t") / index) for index, stage in enumerate(curriculum)]
        train_through(eager, way, ["color"])
        train_through(compiled, way, ["color"], always)
        for left, right in zip(compiled.state_dict().values(), eager.state_dict().values(), strict=True):
            assert torch.allclose(left, right, rtol=1e-9, atol=1e-12)


def test_training_is_compiled_where_the_work_is_long_enough(monkeypatch):
    compiled = []
    monkeypatch.setattr(gradients, "compiled_gradient", lambda fall_back: compiled.append(fall_back) or loss_gradient)
    for mode, activations, images, expected in [
        ("auto", [256, 64], 100_000, []),
        ("auto", [2**17, 2**15, 2**13], 500_000, [True]),
        ("never", [2**17, 2**15, 2**13], 500_000, []),
        ("always", [256, 64], 1, [False]),
    ]:
        best_gradients(mode, "instance", activations, images, CPU)
        assert compiled == expected
        compiled.clear()
