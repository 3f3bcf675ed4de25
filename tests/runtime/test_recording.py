"""What is recorded, on a stand-in for CUDA graphs; tests/test_on_gpu.py has it on a real GPU."""

import pytest
import torch
from helpers.captures import Captures

from seqmatch.runtime.recording import recorded


def sums(*tensors):
    return [tensors[0] + tensors[1], (tensors[0] * tensors[1]).sum().reshape(1)]


def some(*shape):
    return [torch.randn(*shape, generator=torch.Generator().manual_seed(i)) for i in range(2)]


def test_from_the_second_call_on_it_is_replayed_with_the_same_results():
    captures = Captures()
    call = recorded(sums, captures)
    pairs = [[tensor + i for tensor in some(3)] for i in range(4)]
    found = [call(*pair) for pair in pairs]  # all, before any is looked at: each is the caller's own
    torch.testing.assert_close(found, [sums(*pair) for pair in pairs], rtol=0, atol=0)
    assert captures.replays == [3]


def test_other_shapes_and_types_have_recordings_of_their_own():
    captures = Captures()
    call = recorded(sums, captures)
    for tensors in (some(3), some(4), [tensor.double() for tensor in some(3)]):
        for _ in range(2):
            torch.testing.assert_close(list(call(*tensors)), sums(*tensors), rtol=0, atol=0)
    assert captures.replays == [1, 1, 1]


def test_tensors_of_several_types_and_layouts_are_handed_over():
    def function(images, labels):
        return [images * labels[:, None, None, None], labels + 1]

    call = recorded(function, Captures())
    for shift in range(3):
        images = some(2, 3, 4, 4)[0].to(memory_format=torch.channels_last) + shift
        labels = torch.arange(2) + shift
        torch.testing.assert_close(list(call(images, labels)), function(images, labels), rtol=0, atol=0)


def test_what_cannot_be_recorded_goes_on_with_one_warning(capsys):
    def refuses(function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing")

    call = recorded(sums, refuses)
    for _ in range(3):
        torch.testing.assert_close(call(*some(3)), sums(*some(3)), rtol=0, atol=0)
    said = capsys.readouterr().err.splitlines()
    assert said == ["warning: the GPU is given every call by itself: operation not permitted when stream is capturing"]


def test_where_memory_runs_out_smaller_chunks_are_tried_instead():
    def fills(function, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    call = recorded(sums, fills)
    call(*some(3))
    with pytest.raises(torch.OutOfMemoryError):
        call(*some(3))
