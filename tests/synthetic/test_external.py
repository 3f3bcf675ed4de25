"""Sets of other programs beside our own: planned, evaluated, refused."""

import copy
import runpy
import sys
from dataclasses import replace

import pytest
import torch
from helpers.tiny import FOUR, ROOT, labelled

from seqmatch import config
from seqmatch.config import External
from seqmatch.data.dataset import Dataset, save
from seqmatch.data.normalization import Standardization, fit_whitening
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_header, load_table
from seqmatch.planning import external
from seqmatch.planning.jobs import Plan
from seqmatch.report.tables.settings import settings_table
from seqmatch.sets.distilled import load
from seqmatch.synthetic.external import take

IMAGES, LABELS = labelled(per_class=2)
STATISTICS = Standardization(torch.tensor([0.5]), torch.tensor([0.25]))
SPLITS = {"train": torch.arange(6), "validation": torch.arange(0), "test": torch.arange(6, 12)}
RAW = (labelled()[0] * 25 + 100).clamp(0, 255).to(torch.uint8)
DATA = Dataset(RAW, labelled()[1], SPLITS, ("a", "b", "c"), STATISTICS, ("crop",))
STAGE = {
    "images": "images.pt",
    "labels": "labels.pt",
    "step_size": "lr.pt",
    "space": "normalized",
    "reference": "X 2020",
}
EXPERIMENT = {
    "datasets": {"digits": {"source": "digits"}},
    "architectures": {"small": {"family": "convnet", "width": 4, "depth": 1}},
    "experts": {"small": {"architecture": "small"}},
    "evaluation": {"networks": 1, "epochs": 2},
    "cells": [{"dataset": "digits", "ipc": 2, "methods": {"external": {"stages": [STAGE]}}}],
}


def experiment(*stages, **changes):
    raw = copy.deepcopy(EXPERIMENT)
    raw["datasets"]["digits"] |= changes
    raw["cells"][0]["methods"]["external"]["stages"] = list(stages) or [STAGE]
    return config.load(raw)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """In the folder that the workflow runs in."""
    monkeypatch.chdir(tmp_path)
    order = torch.tensor([5, 0, 3, 1, 4, 2])
    for name, value in (("images", IMAGES[order]), ("labels", LABELS[order]), ("lr", torch.tensor(0.05))):
        torch.save(value, f"{name}.pt")
    return [tmp_path / f"{name}.pt" for name in ("images", "labels", "lr")]


def test_a_set_is_taken_in_the_space_of_the_data_class_after_class(files):
    subset, doubt = take(files, External(**STAGE), DATA, 2)
    assert torch.equal(subset.labels, LABELS) and subset.step_size == pytest.approx(0.05) and not doubt
    for label in range(3):
        assert {image.sum().item() for image in subset.images[subset.labels == label]} == {
            image.sum().item() for image in IMAGES[label == LABELS]
        }
    theirs = External(**STAGE | {"mean": [0.1], "std": [2.0]})
    torch.testing.assert_close(take(files, theirs, DATA, 2)[0].images, (subset.images * 2 + 0.1 - 0.5) / 0.25)
    pixels = External(**STAGE | {"space": "pixels"})
    found, doubt = take(files, pixels, DATA, 2)
    torch.testing.assert_close(found.images, (subset.images - 0.5) / 0.25)
    assert "are these normalised" in doubt
    whitening = fit_whitening(RAW, 0.1)
    found, _ = take(files, pixels, replace(DATA, normalization=whitening), 2)
    torch.testing.assert_close(found.images, whitening.apply(subset.images))


def test_soft_labels_and_grids_are_taken(files):
    torch.save(torch.eye(3)[LABELS] * 0.4 + 0.2, files[1])
    subset, _ = take(files, External(**STAGE), DATA, 2)
    torch.testing.assert_close(subset.decoded()[1].sum(1), torch.ones(6))
    torch.save(LABELS, files[1])
    grid = External(**STAGE | {"parameterisation": FOUR.name, "formation": 2})
    assert take(files, grid, DATA, 2)[0].decoded()[0].shape == (24, 1, 8, 8)


@pytest.mark.parametrize(
    ("changes", "data", "size", "message"),
    [
        ({}, {}, 3, r"images\.pt: expected 3 images of each of 3 classes, found 6 images, 2 to 2 of a class"),
        ({}, {"class_names": ("a", "b")}, 3, r"images\.pt: labels of 3 classes; the data set has 2"),
        ({"mean": [0.1] * 3, "std": [1.0] * 3}, {}, 2, r"images\.pt: images of 1 channels, but `mean` has 3"),
        ({}, {"images": RAW.repeat(1, 3, 1, 1)}, 2, r"images\.pt: images: expected \(3, 8, 8\), found \(1, 8, 8\)"),
        (
            {"space": "pixels"},
            {"images": RAW.repeat(1, 3, 1, 1), "normalization": fit_whitening(RAW.repeat(1, 3, 1, 1), 0.1)},
            2,
            r"images\.pt: images: expected \(3, 8, 8\), found \(1, 8, 8\)",
        ),
        ({"labels": None, "step_size": 0.1}, {}, 2, r"images\.pt: there are no labels with it"),
    ],
)
def test_a_set_that_does_not_fit_the_data_is_refused_by_its_file(files, changes, data, size, message):
    matching = External(**STAGE | changes)
    given = files if matching.labels else files[:1]
    with pytest.raises(SeqmatchError, match=message):
        take(given, matching, replace(DATA, **data), size)


def test_what_the_configuration_leaves_out_is_told():
    assert experiment().runs["digits", "external", "2"].external
    whitened = {"normalization": "zca"}
    grid = {"parameterisation": "multi-formation", "formation": 2, "space": "pixels"}
    for stage, changes, message in (
        ({name: STAGE[name] for name in STAGE if name != "reference"}, {}, r"stages\[0\]\.reference: missing"),
        ({}, {}, r"cells\[0\]\.methods\.external\.stages\[0\]\.images: missing"),
        (STAGE | {"mean": [0.5]}, {}, "mean and std go together"),
        (STAGE | {"mean": [0.5], "std": [1.0, 2.0]}, {}, "1 of mean and 2 of std"),
        (STAGE | grid, whitened, "several images in one cannot be whitened"),
        (
            STAGE | {"lr_images": 1.0},
            {},
            r"stages\[0\]\.lr_images: external does not read it; it reads experts, size, para",
        ),
    ):
        with pytest.raises(SeqmatchError, match=message):
            experiment(stage, **changes)


def test_a_step_size_is_a_number_however_it_is_written_or_a_file():
    (stage,) = experiment(STAGE | {"step_size": "1e-2"}).runs["digits", "external", "2"].stages
    assert stage.step_size == 0.01  # YAML takes 1e-2 for text
    assert External(**STAGE).step_size == "lr.pt"


def test_a_missing_or_wrong_file_is_refused_when_planned(files):
    external.check(experiment())
    with pytest.raises(SeqmatchError, match=r"stages\[0\]\.images = a\{b\}\.pt: Snakemake takes braces"):
        external.check(experiment(STAGE | {"images": "a{b}.pt"}))
    files[1].write_text("labels")
    with pytest.raises(SeqmatchError, match=r"external: stages\[0\]\.labels = labels\.pt: not a file that torch\.save"):
        external.check(experiment())
    files[0].unlink()
    with pytest.raises(SeqmatchError, match=r"digits, ipc 2, external: stages\[0\]\.images = images\.pt: there is no"):
        external.check(experiment())


def test_more_images_than_the_data_has_are_no_fault():
    raw = copy.deepcopy(EXPERIMENT)
    raw["cells"][0]["ipc"] = 1000
    assert config.load(raw).runs["digits", "external", "1000"].ipc == 1000


def test_a_set_goes_through_the_workflow(files, monkeypatch, tmp_path):
    run = experiment().runs["digits", "external", "2"]
    assert [job.rule for job in Plan(experiment()).jobs if "method" in job.wildcards][:2] == [
        "distill_subset",
        "select_snapshot",
    ]
    row = settings_table([run]).iloc[0]
    assert (row["reference"], row["images"], row["iterations"]) == ("X 2020", "images.pt", "0")
    save(tmp_path / "data.safetensors", DATA, {})
    architecture = config.Architecture(family="convnet", width=4, depth=1).model_dump_json()

    def call(command, *words):
        monkeypatch.setattr(sys, "argv", [str(ROOT / f"scripts/{command}.py"), "--data", "data.safetensors", *words])
        runpy.run_path(sys.argv[0], run_name="__main__")

    about = ["--dataset", "digits", "--method", "external", "--ipc", "2", "--seed", "0"]
    matching = ["--matching", run.stages[0].model_dump_json(), "--external", *map(str, files)]
    part = ["--subset", "1", "--subset-count", "1", "--out", "snapshots1.safetensors"]
    call("distill_subset", *about, "--architecture", architecture, *matching, *part)
    learner = ["--architecture", architecture, "--architecture-name", "small"]
    learner += ["--evaluation", run.evaluation.model_dump_json()]
    call("select_snapshot", *learner, "--snapshots", "snapshots1.safetensors", "--selections", "last", "--networks",
         "1", "--name", "x", "--scores", "scores1.csv", "--out", "subset1.safetensors")  # fmt: skip
    call("evaluate", *about, *learner, "--subsets", "subset1.safetensors", "--matched-on", "small", "--selection",
         "last", "--out", "accuracy.csv")  # fmt: skip
    table = load_table(tmp_path / "accuracy.csv")
    assert table["undistilled"].item() == 0 and 0 <= table["accuracy"].item() <= 100
    header = load_header(tmp_path / "snapshots1.safetensors")
    assert header["parameters"]["matching"]["reference"] == "X 2020"
    assert {"images.pt", "labels.pt", "lr.pt"} <= {path.rpartition("/")[2] for path in header["inputs"]}
    found = load(tmp_path / "subset1.safetensors")
    assert torch.equal(found.subsets[0].labels, LABELS) and not found.real
