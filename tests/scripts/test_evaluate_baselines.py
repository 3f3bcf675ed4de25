"""What a synthetic set is fairly compared with."""

from argparse import Namespace
from functools import partial
from unittest import mock

import distill_subset
import evaluate_baselines
import pytest
import torch
from helpers.calls import call
from helpers.files import ARCHITECTURE, write_all
from helpers.tiny import TINY, labelled, normal
from shared import compute

from seqmatch import config
from seqmatch.data.dataset import Dataset
from seqmatch.data.normalization import fit_standardization
from seqmatch.files.store import load_table
from seqmatch.networks import build
from seqmatch.report.tables.fair import fair_table
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset, save_subset
from seqmatch.training.experts import save_shard


@pytest.fixture
def job():
    images, labels = labelled(per_class=8)
    pixels = (images * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(24), "validation": torch.arange(0), "test": torch.arange(0)}
    dataset = Dataset(pixels, labels, splits, ("a", "b", "c"), fit_standardization(pixels), ())
    return Namespace(dataset=dataset, device=torch.device("cpu"))


def arguments(**others):
    return Namespace(dataset="mine", ipc="5", seed=3, choosers=[], sizes=[], architecture=TINY, **others)


SUBSETS = [Subset(*labelled(per_class=size), rate) for size, rate in ((3, 0.1), (2, 0.02))]


def test_random_images_are_those_of_the_method_random_in_the_stages_and_at_the_step_sizes_of_the_set(job):
    """So that the improvement of `random` over random images is nothing, to the bit."""
    found = evaluate_baselines.random_images(arguments(), job, SUBSETS)
    for k, (subset, own) in enumerate(zip(found, SUBSETS, strict=True), start=1):
        args = Namespace(**vars(arguments()) | {"matching": config.Coreset(), "subset": k, "subset_count": 2})
        expected = distill_subset.make_initial(args, job, None)
        assert torch.equal(subset.images, expected.images) and torch.equal(subset.labels, expected.labels)
        assert subset.step_size == own.step_size and subset.soft_labels is None


def test_random_images_do_not_improve_on_themselves(tmp_path):
    """The whole chain: `random` as the workflow makes it, and its baseline."""
    write_all(tmp_path)
    paths = {name: tmp_path / name for name in ("data", "snapshots1", "subset1", "accuracy.csv", "baselines.csv")}
    about = ["--data", paths["data"], "--architecture", ARCHITECTURE, "--compile", "never"]
    of = ["--dataset", "d", "--method", "random", "--ipc", "2", "--seed", "5"]
    learning = ["--evaluation", '{"epochs": 3, "networks": 2}', "--architecture-name", "c"]
    calls = {
        "distill_subset": [*about, *of, "--subset", "1", "--subset-count", "1", "--matching",
                           '{"initial_step_size": 0.07}', "--out", paths["snapshots1"]],
        "select_snapshot": [*about, *learning, "--snapshots", paths["snapshots1"], "--selections", "last", "--networks",
                            "1", "--name", "d/random", "--scores", tmp_path / "s.csv", "--out", paths["subset1"]],
        "evaluate": [*about, *of, *learning, "--subsets", paths["subset1"], "--matched-on", "c", "--selection", "last",
                     "--out", paths["accuracy.csv"]],
        "evaluate_baselines": [*about, *of, *learning, "--subsets", paths["subset1"], "--out", paths["baselines.csv"]],
    }  # fmt: skip
    for script, words in calls.items():
        status, said = call(script, *words, "--checkpoints", tmp_path / "checkpoints")
        assert status == 0, said
    ours, alike = (load_table(paths[name]) for name in ("accuracy.csv", "baselines.csv"))
    assert ours["accuracy"].tolist() == alike["accuracy"].tolist()
    assert alike["baseline"].tolist() == ["random"] * 2 and alike["labels"].tolist() == ["class"] * 2
    table = fair_table(ours, alike, ["random"])
    assert table.loc[0, "improvement_mean"] == 0


def test_step_sizes_of_each_step_go_to_the_random_images_too(job):
    rates = torch.tensor([0.1, 0.3], dtype=torch.float64)
    (found,) = evaluate_baselines.random_images(arguments(), job, [Subset(*labelled(per_class=5), 0.2, rates=rates)])
    assert torch.equal(found.rates, rates) and found.step_size == 0.2


@pytest.mark.parametrize("learned", [False, True])
def test_experts_label_random_images_as_they_do_those_of_a_soft_method(job, tmp_path, learned):
    """By the mean of what they say; where labels are learned, of those that are right (DATM)."""
    about = {"distilled": {"matching": {"iterations": 3} | ({"lr_labels": 2.0} if learned else {})}}
    save_subset(tmp_path / "s", SUBSETS[0], SUBSETS[0], job.dataset.normalization, about)
    numbers = sum(parameter.numel() for parameter in build(TINY, (1, 8, 8), 3, Seed("n")).parameters())
    save_shard(tmp_path / "e", [0.1 * normal(2, numbers, name=f"e{index}") for index in range(3)], {})
    args = Namespace(**vars(arguments()) | {"choosers": [tmp_path / "e"], "subsets": [tmp_path / "s"]})
    new_network = partial(build, TINY, (1, 8, 8), 3)
    with mock.patch.object(compute, "new_network", lambda args, job: new_network):
        first, second = evaluate_baselines.random_images(args, job, SUBSETS)
    assert first.soft_labels.shape == (9, 3) and second.soft_labels.shape == (6, 3)
    torch.testing.assert_close(first.soft_labels.sum(1), torch.ones(9))
    network, expected = new_network(Seed("n")).eval(), []
    for index in range(3):
        torch.nn.utils.vector_to_parameters(0.1 * normal(2, numbers, name=f"e{index}")[-1], network.parameters())
        expected.append(network(first.images).detach())
    said = torch.stack(expected)
    right = said.argmax(2) == first.labels
    weights = (right | ~right.any(0)).float().unsqueeze(2)
    of_right = ((weights * said).sum(0) / weights.sum(0)).softmax(1)
    mean = said.softmax(2).mean(0)
    assert not torch.allclose(of_right, mean, atol=1e-3)
    torch.testing.assert_close(first.soft_labels, of_right if learned else mean)
