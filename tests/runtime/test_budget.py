import pytest
import torch

from seqmatch.errors import SeqmatchError
from seqmatch.matching.dispatch import classes_at_once, stride
from seqmatch.runtime.budget import BUDGETS, budget_of, chunk_size, joined_networks
from seqmatch.runtime.compilation import pays
from seqmatch.training.gradients import best_gradients


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_has_the_budget_of_its_type(name):
    assert budget_of(torch.device(name)) is BUDGETS[name.split(":")[0]]


@pytest.mark.parametrize(
    "ask",
    [
        budget_of,
        lambda device: chunk_size(8, [64], device),
        lambda device: pays("auto", 1.0, device),
        lambda device: classes_at_once(8, 8, [64], 100, device),
        lambda device: stride(8, 100, device),
        lambda device: best_gradients("auto", "instance", [64], 8, device),
    ],
)
def test_a_type_of_device_without_a_budget_is_an_error_that_says_what_there_is(ask):
    with pytest.raises(SeqmatchError, match=r"cpu or cuda, not on mps.*runtime/budget\.py"):
        ask(torch.device("mps"))


def test_networks_are_joined_where_minibatches_are_small():
    cpu = torch.device("cpu")
    for numbers, count in [([1024, 256], 16), ([2**12, 2**11], 8), ([2**15], 1), ([2**16], 1)]:
        assert joined_networks(20, numbers, cpu) == count
    assert joined_networks(20, [1024, 256], torch.device("cuda")) == 1
