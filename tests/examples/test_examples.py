"""The examples run, on tiny settings, and say so where a set is none of theirs."""

from importlib import import_module

import numpy as np
import pytest
import torch
from helpers.tiny import ROOT, TINY

import seqmatch
from seqmatch.config import Dataset, Evaluation
from seqmatch.data.normalization import identity
from seqmatch.data.prepare import prepare
from seqmatch.data.sources import digits
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset, save_subset


@pytest.fixture(scope="module")
def data():
    """The digits as the default experiment prepares them."""
    held_out = Dataset(source="digits", test_fraction=0.25, validation_fraction=0.1)
    return prepare(digits(), held_out, Seed("prepare", "digits", 0))


@pytest.fixture
def example(monkeypatch):
    """Import one by its name."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    return import_module


def save_set(folder, data, method, normalization=None):
    """A set of the first two training images of each class, in two subsets."""
    images, labels = data.split("train")
    about = {
        "class_names": list(data.class_names),
        "augmentation": [],
        "parameters": {"evaluation": Evaluation(networks=1, epochs=2).model_dump(), "architecture": TINY.model_dump()},
        "distilled": {"method": method},
    }
    folder.mkdir()
    for k in (0, 1):
        subset = Subset(images[[int((labels == label).nonzero()[k]) for label in range(10)]], torch.arange(10), 0.01)
        path = folder / f"subset{k + 1}.safetensors"
        save_subset(path, subset, subset, normalization or data.normalization, about)
    return str(folder)


def test_incremental_learning_compares_memories(example, data, tmp_path, capsys, monkeypatch):
    incremental = example("incremental")
    monkeypatch.setattr(incremental, "PER_TASK", 5)
    places = [save_set(tmp_path / name, data, name) for name in ("first", "second")]
    incremental.main(places, 2, tmp_path / "figures/incremental.png", processes=1)
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines() if " ± " in line and "over" not in line] == [
        "random",
        "first",
        "second",
    ]
    assert said.count("over random") == 2
    assert (tmp_path / "figures/incremental.png").stat().st_size > 1000


def test_a_memory_holds_the_classes_seen_alone(example, data, tmp_path):
    incremental = example("incremental")
    found = incremental.of_classes(
        seqmatch.load(save_set(tmp_path / "set.safetensors", data, "mtt")), torch.tensor([3, 7])
    )
    assert [stage.labels.tolist() for stage in found.stages] == [[3, 7], [3, 7, 3, 7]]


def test_search_ranks_architectures(example, data, tmp_path, capsys, monkeypatch):
    search = example("search")
    lasting = search.lasting
    monkeypatch.setattr(search, "lasting", lambda distilled, **settings: lasting(distilled, **settings | {"epochs": 1}))
    monkeypatch.setattr(search, "ARCHITECTURES", [(4, 1, norm, "max") for norm in ("none", "instance", "batch")])
    search.main(save_set(tmp_path / "set.safetensors", data, "mtt"), 2, tmp_path / "search.png", processes=1)
    said = capsys.readouterr().out
    assert said.count("times faster") == 2 and "distilled over random" in said
    assert (tmp_path / "search.png").stat().st_size > 1000


def test_random_sets_are_training_images_of_the_same_size(example, data, tmp_path):
    common = example("common")
    distilled = common.load(save_set(tmp_path / "set.safetensors", data, "mtt"))
    images, labels = common.load_digits(distilled)["train"]
    first, again, other = (common.random_set(distilled, images, labels, seed) for seed in (0, 0, 1))
    drawn = first.stages[-1]
    assert drawn.labels.tolist() == [*range(10), *range(10)]
    places = [int((images == image).all((1, 2, 3)).nonzero()[0]) for image in drawn.images]
    assert len(set(places)) == 20 and torch.equal(labels[places], drawn.labels)
    assert torch.equal(drawn.images, again.stages[-1].images)
    assert not torch.equal(drawn.images, other.stages[-1].images)


def test_other_sets_are_refused(example, data, tmp_path):
    common = example("common")
    with pytest.raises(SystemExit, match="nothing"):
        common.load(str(tmp_path / "nothing"))
    with pytest.raises(SystemExit, match="not distilled from the digits"):
        common.load_digits(common.load(save_set(tmp_path / "set.safetensors", data, "mtt", identity(1))))


def test_the_interval_is_that_of_student(example):
    values = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert example("common").interval(values) == pytest.approx([12.706, 0], abs=1e-3)


@pytest.mark.parametrize("name", ["digits-seqmatch-mtt-ipc2", "digits-dm-ipc2"])
def test_the_sets_of_the_index_are_of_these_digits(example, name):
    common = example("common")
    distilled = common.load(name)
    assert len(common.load_digits(distilled)["test"][1]) == 450
    assert f"digits-{common.name_of(distilled, name)}-ipc2" == name
