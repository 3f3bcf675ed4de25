"""What evaluate says of the synthetic set that it trains networks on."""

from types import SimpleNamespace

import collect_tables
import evaluate
import pandas as pd
import pytest
import torch
from helpers.names import run_script
from helpers.tiny import TINY, labelled

from seqmatch import config
from seqmatch.analysis.kernel_regression import accuracies
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import fit_standardization
from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_table
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import Subset, save_subset
from seqmatch.training.learner import Learner


@pytest.mark.parametrize(
    ("header", "undistilled"),
    [
        ({"iteration": 0, "distilled": {"matching": {"iterations": 9}}}, 1),
        ({"iteration": 9, "distilled": {"matching": {"iterations": 9}}}, 0),
        ({"iteration": 0, "distilled": {"matching": {}}}, 0),  # of `random`
        ({}, 0),
    ],
)
def test_a_subset_that_was_distilled_and_is_its_initial_images_is_counted(tmp_path, header, undistilled):
    subset, path = Subset(*labelled(per_class=1), 0.1), tmp_path / "s.safetensors"
    save_subset(path, subset, subset, fit_standardization(labelled()[0].byte()), header)
    args = SimpleNamespace(subsets=[path], selection="validation", also=[], evaluation=config.Evaluation())
    ((selection, _, found),) = evaluate.evaluated_sets(args, SimpleNamespace(dimensions={}))
    assert (selection, found) == ("validation", undistilled)


def test_images_of_a_method_with_a_protocol_of_its_own_are_judged_by_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (images, labels), unseen = labelled(per_class=1), labelled(per_class=5, name="test")
    pixels = (torch.cat([images, unseen[0]]) * 30 + 120).clamp(0, 255).to(torch.uint8)
    splits = {"train": torch.arange(3), "validation": torch.arange(0), "test": torch.arange(3, 18)}
    data = Dataset(pixels, torch.cat([labels, unseen[1]]), splits, ("a", "b", "c"), fit_standardization(pixels), ())
    save(tmp_path / "data.safetensors", data, {})
    start, section = Subset(*data.split("train"), 0.1), config.KernelMatching(kernel="fully-connected", ridge=1e-3)
    header = {"iteration": 9, "distilled": {"matching": section.model_dump()}, "class_names": ["a", "b", "c"]}
    save_subset(tmp_path / "s.safetensors", start, start, data.normalization, header)
    arguments = ["--data", "data.safetensors", "--subsets", "s.safetensors", "--architecture", TINY.model_dump_json()]
    arguments += ["--evaluation", '{"epochs": 1, "networks": 2}', "--architecture-name", "t", "--matched-on", "t"]
    arguments += ["--dataset", "d", "--method", "kip", "--ipc", "1", "--seed", "0", "--selection", "last"]
    run_script("evaluate", *arguments, "--own-protocol", "kernel", "--out", "a.csv")
    run_script("evaluate", *arguments, "--out", "b.csv")
    table, plain = (load_table(tmp_path / name, Accuracy) for name in ("a.csv", "b.csv"))
    learner = Learner(None, config.Evaluation(networks=2))
    expected = accuracies([start], [section], data.split("test"), learner, Seed("x"))
    assert table["own"].tolist() == pytest.approx(expected, abs=1e-4) and expected[0] > 50
    pd.testing.assert_frame_equal(table.drop(columns=["own", "seconds"]), plain.drop(columns="seconds"))
    assert collect_tables.kind_of(table, "a.csv") is collect_tables.kind_of(plain, "b.csv") is Accuracy
    external = header | {"distilled": {}}
    save_subset(tmp_path / "s.safetensors", start, start, data.normalization, external)
    with pytest.raises(SystemExit):
        run_script("evaluate", *arguments, "--own-protocol", "kernel", "--out", "c.csv")
