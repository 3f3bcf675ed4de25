"""Distilled sets as one object, and networks that learn from them."""

from dataclasses import replace

import pytest
import torch

import seqmatch
from seqmatch.config import Architecture, Evaluation
from seqmatch.data.normalization import Standardization
from seqmatch.errors import SeqmatchError
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset, save_subset

STATISTICS = Standardization(torch.tensor([0.5]), torch.tensor([0.25]))
EVALUATION = Evaluation(networks=2, epochs=3, batch_size=4)
ARCHITECTURE = Architecture(family="convnet", width=4, depth=1)
LABELS = torch.arange(2)


def images(count):
    """Grey images of which those of class 1 are light."""
    return torch.rand(count, 1, 8, 8, generator=Seed("images").generator()) - 1 + torch.arange(count).view(-1, 1, 1, 1)


@pytest.fixture
def run(tmp_path):
    """The folder of a run of two subsets."""
    about = {
        "class_names": ["dark", "light"],
        "augmentation": ["flip"],
        "parameters": {"evaluation": EVALUATION.model_dump(), "architecture": ARCHITECTURE.model_dump()},
    }
    for k, step_size in ((1, 0.01), (2, 0.02)):
        subset = Subset(images(2) / k, LABELS, step_size)
        save_subset(tmp_path / f"subset{k}.safetensors", subset, subset, STATISTICS, about)
    return tmp_path


def test_a_run_is_loaded_as_one_set(run):
    found = seqmatch.load(run)
    assert [len(stage.labels) for stage in found.stages] == [2, 4]
    assert [stage.step_size for stage in found.stages] == [0.01, 0.02]
    assert found.class_names == ("dark", "light") and found.augmentation == ("flip",)
    assert found.evaluation == EVALUATION and found.architecture == ARCHITECTURE
    seen, labels = found.dataset()[3]
    torch.testing.assert_close(seen, images(2)[1] / 2)
    assert labels == 1
    expected = ((found.stages[1].images * 0.25 + 0.5).clamp(0, 1) * 255).round()
    assert torch.equal(found.pixels(), expected.to(torch.uint8))
    assert "4 images of 2 classes, 2 subsets" in repr(found)


def test_a_folder_without_a_set_is_refused(tmp_path):
    with pytest.raises(SeqmatchError, match="no distilled set"):
        seqmatch.load(tmp_path)


def test_networks_learn_from_it(run):
    found = seqmatch.load(run)
    network = seqmatch.train(build(ARCHITECTURE, (1, 8, 8), 2, Seed("a")), found)
    again = seqmatch.train(build(ARCHITECTURE, (1, 8, 8), 2, Seed("a")), found)
    assert all(map(torch.equal, network.parameters(), again.parameters()))
    test = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    longer = replace(found, evaluation=EVALUATION.model_copy(update={"epochs": 60}))
    accuracies = seqmatch.evaluate(longer, test, LABELS)
    assert accuracies.values == (100.0, 100.0) and (accuracies.mean, accuracies.std) == (100.0, 0.0)
