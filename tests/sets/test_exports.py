"""Sets in the formats of others: what those read is what networks learned from."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from helpers.tiny import FOUR, ROOT
from torch import Tensor

import seqmatch
from seqmatch.config import Architecture, Coreset, Evaluation
from seqmatch.config.sections import Dataset
from seqmatch.data.normalization import Standardization, Whitening
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import MeasuredAccuracy
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.sets.card import PAPER, card
from seqmatch.sets.distilled import Distilled
from seqmatch.sets.exports import WRITERS, rows_of
from seqmatch.sets.formats import FORMATS
from seqmatch.sets.licences import LICENCES, licence_of
from seqmatch.synthetic.subset import Subset, pixels_of

STATISTICS = Standardization(torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.25, 0.2, 0.3]))
ABOUT = {
    "distilled": {
        "method": "seqmatch-mtt",
        "dataset": "mine",
        "ipc": "2",
        "seed": 3,
        "objective": "trajectory",
        "matching": {"iterations": 7},
    },
    "prepared": {"dataset": "mine", "preparation": {"source": "cifar10"}},
    "versions": {"seqmatch": "0.1.0"},
    "subsets": [{"iteration": 7}, {"iteration": 5}],
}
SOFT = torch.tensor([[0.8, 0.2], [0.1, 0.9]])


def made(*subsets: Subset, normalization=STATISTICS, **changes) -> Distilled:
    whole = Distilled(
        subsets,
        normalization,
        ("dark|ness", "light"),
        Evaluation(networks=2, epochs=20, batch_size=4),
        ("flip",),
        Architecture(family="convnet", width=4, depth=1),
        ABOUT,
        tuple(pixels_of(subset, normalization) for subset in subsets) if normalization else (),
        (MeasuredAccuracy(architecture="convnet", mean=91.234, std=0.5, networks=2),),
    )
    return replace(whole, **changes)


def images(name, count=2):
    """Dark and light colour images, by turns; some numbers are beyond black and white."""
    noise = torch.rand(count, 3, 8, 8, generator=Seed(name).generator())
    return 1.5 * noise - 2.5 + 3 * (torch.arange(count) % 2).view(-1, 1, 1, 1)


@pytest.fixture
def distilled():
    return made(*(Subset(images(k), torch.arange(2), 0.01 * k) for k in (1, 2)))


def soft():
    stored = [Subset(images(k), torch.arange(2), 0.01, FOUR, SOFT.repeat_interleave(4, 0)) for k in (1, 2)]
    return made(*stored)


@pytest.mark.parametrize("name", ["memories", "hallucinators"])
def test_a_learned_decoder_goes_with_a_set_and_exports_are_decoded(tmp_path, name):
    stage, real = Coreset(parameterisation=name, memories=2, hallucinators=2), (images("r", 8), torch.arange(8) % 2)
    distilled = made(*(initial_subset(real, Part([2, 2], k), stage, lambda x, y: x, Seed("s")) for k in (1, 2)))
    seqmatch.save(distilled, tmp_path / "set.safetensors")
    found = seqmatch.load(tmp_path / "set.safetensors")
    assert f"stored as {name} ({distilled.numbers} numbers)" in repr(found) and found.shape == (3, 8, 8)
    assert torch.equal(found.pixels(), distilled.pixels())
    seqmatch.export(found, tmp_path / "npz", "npz")
    exported, labels, _ = read(tmp_path / "npz", "npz")
    whole = distilled.stages[-1]
    assert torch.equal(exported, whole.images) and torch.equal(labels, whole.labels)


def read(place, format) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and subsets, as their users read them."""
    if format == "parquet":
        rows = opened("parquet", place / "data").with_format("torch")[:]
        return rows["normalised"], rows.get("soft_label", rows["label"]), rows["subset"]
    if format == "imagefolder":
        rows = opened("imagefolder", place)[:]
        pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in rows["image"]])
        return STATISTICS.apply(pixels), torch.tensor(rows["label"]), torch.tensor(rows["subset"])
    if format == "npz":
        arrays = np.load(place / "set.npz")
        labels = "soft_labels" if "soft_labels" in arrays else "labels"
        return tuple(torch.from_numpy(arrays[name]) for name in ("images", labels, "subsets"))
    return tuple(torch.load(place / f"{name}.pt", weights_only=True) for name in ("images", "labels", "subsets"))


def opened(builder, place):
    import datasets  # seconds to import

    datasets.disable_progress_bars()
    return datasets.load_dataset(builder, data_dir=str(place), split="train", cache_dir=str(place.parent / "cache"))


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def rebuilt(distilled, images, labels, subsets):
    """The set whose subsets are read from elsewhere."""
    return replace(
        distilled,
        subsets=tuple(
            Subset(images[subsets == k], labels[subsets == k], subset.step_size)
            for k, subset in enumerate(distilled.subsets, start=1)
        ),
    )


def trained(distilled):
    network = build(distilled.architecture, distilled.shape, 2, Seed("a"))
    return list(seqmatch.train(network, distilled).parameters())


def test_every_format_has_a_writer_and_every_source_a_licence():
    assert WRITERS.keys() == FORMATS.keys()
    sources = set(Dataset.model_json_schema()["properties"]["source"]["enum"]) - {"imagefolder"}
    assert LICENCES.keys() == sources
    assert licence_of("imagefolder").name == licence_of(None).name == "unknown"


@pytest.mark.parametrize("format", ["parquet", "npz", "pt"])
def test_networks_learn_the_same_from_an_export_to_the_bit(distilled, tmp_path, format):
    seqmatch.export(distilled, tmp_path / "e", format)
    again = rebuilt(distilled, *read(tmp_path / "e", format))
    assert all(map(torch.equal, trained(again), trained(distilled)))
    assert all(map(torch.equal, trained(seqmatch.load(tmp_path / "e")), trained(distilled)))


def test_pngs_are_rounded_and_networks_learn_about_the_same(distilled, tmp_path):
    seqmatch.export(distilled, tmp_path / "e", "imagefolder")
    images, labels, subsets = read(tmp_path / "e", "imagefolder")
    order = torch.argsort(subsets * 2 + labels)  # files come class after class
    again = rebuilt(distilled, images[order], labels[order], subsets[order])
    exact = rows_of(distilled).images
    assert (exact != STATISTICS.clamp(exact)).any()
    step = (1 / 255 / STATISTICS.std).view(-1, 1, 1)
    assert ((images[order] - STATISTICS.clamp(exact)).abs() <= step * 0.51).all()
    test = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    assert seqmatch.evaluate(again, test, torch.arange(2)).mean == 100.0
    with (tmp_path / "e/train/metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[3] == {"file_name": "1/3-s2.png", "subset": "2", "label": "1", "class": "light", "step_size": "0.02"}


def test_tables_tell_the_names_of_classes_and_step_sizes(distilled, tmp_path):
    seqmatch.export(distilled, tmp_path / "e", "parquet")
    table = opened("parquet", tmp_path / "e/data")
    assert table.features["label"].names == ["dark|ness", "light"]
    assert table["step_size"][:] == [0.01, 0.01, 0.02, 0.02]
    seqmatch.export(distilled.with_evaluation(step_sizes="first"), tmp_path / "first", "parquet")
    assert set(opened("parquet", tmp_path / "first/data")["step_size"][:]) == {0.01}
    assert np.array_equal(np.array(table[2]["image"]), distilled.pixels()[2].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("format", FORMATS)
def test_soft_labels_and_images_that_are_stored_as_several_come_decoded(tmp_path, format):
    distilled = soft()
    seqmatch.export(distilled, tmp_path / "e", format)
    last = distilled.stages[-1]
    if format == "imagefolder":
        lines = [json.loads(line) for line in (tmp_path / "e/train/metadata.jsonl").read_text().splitlines()]
        assert torch.equal(torch.tensor([line["soft_label"] for line in lines]), last.labels)
        assert len(opened("imagefolder", tmp_path / "e")) == 16
    elif format == "dd-ranking":
        labels = torch.load(tmp_path / "e/labels.pt", weights_only=True)
        assert torch.equal(labels, SOFT.repeat_interleave(8, 0))
    else:
        images, labels, _ = read(tmp_path / "e", format)
        assert torch.equal(images, last.images) and torch.equal(labels, last.labels)


def test_dd_ranking_has_them_class_after_class(distilled, tmp_path):
    seqmatch.export(distilled, tmp_path / "e", "dd-ranking")
    images, labels, rate = (
        torch.load(tmp_path / f"e/{name}.pt", weights_only=True) for name in ("images", "labels", "lr")
    )
    assert torch.equal(images, distilled.stages[-1].images[[0, 2, 1, 3]]) and labels.tolist() == [0, 0, 1, 1]
    assert rate.item() == pytest.approx(0.02) and rate.dim() == 0


def test_a_whitened_set_takes_its_matrix_along(tmp_path):
    whitening = Whitening(torch.zeros(192), 2 * torch.eye(192), 0.1)
    distilled = made(Subset(images(1), torch.arange(2), 0.01), normalization=whitening)
    seqmatch.export(distilled, tmp_path / "e", "npz")
    assert np.array_equal(np.load(tmp_path / "e/set.npz")["zca_matrix"], 2 * np.eye(192))


def test_without_a_normalisation_there_are_numbers_but_no_pictures(tmp_path):
    distilled = made(Subset(images(1), torch.arange(2), 0.01), normalization=None)
    seqmatch.export(distilled, tmp_path / "e", "parquet")
    assert torch.equal(read(tmp_path / "e", "parquet")[0], distilled.stages[0].images)
    with pytest.raises(SeqmatchError, match="pixels"):
        seqmatch.export(distilled, tmp_path / "f", "imagefolder")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["e"]


def test_the_folder_of_the_real_images_is_not_told(distilled, tmp_path):
    folder = {"prepared": {"dataset": "mine", "preparation": {"source": "imagefolder", "path": "/home/me/pictures"}}}
    seqmatch.export(replace(distilled, about=ABOUT | folder), tmp_path / "e", "npz")
    assert not [path for path in (tmp_path / "e").iterdir() if b"pictures" in path.read_bytes()]
    assert seqmatch.load(tmp_path / "e").about["prepared"]["preparation"]["source"] == "imagefolder"


def test_neither_a_link_nor_the_working_folder_is_replaced(distilled, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    monkeypatch.chdir(tmp_path / "empty")
    for place in (tmp_path / "link", "."):
        with pytest.raises(SeqmatchError, match="is there already"):
            seqmatch.export(distilled, place, "npz")
    assert (tmp_path / "link").is_symlink() and not list((tmp_path / "empty").iterdir())


def test_what_cannot_be_written_is_refused_and_nothing_is_lost(distilled, tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e/mine").write_text("mine")
    with pytest.raises(SeqmatchError, match="is there already"):
        seqmatch.export(distilled, tmp_path / "e", "npz")
    with pytest.raises(SeqmatchError, match=r"format = np.*did you mean npz"):
        seqmatch.export(distilled, tmp_path / "f", "np")
    real = replace(distilled, about=ABOUT | {"subsets": [{"iteration": 0}]})
    with pytest.raises(SeqmatchError, match="real"):
        seqmatch.export(real, tmp_path / "f", "npz")
    assert [path.name for path in tmp_path.rglob("*")] == ["e", "mine"]
    seqmatch.export(real, tmp_path / "f", "npz", real=True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_card_tells_what_the_header_tells(distilled, tmp_path, format):
    seqmatch.export(distilled, tmp_path / "e", format)
    _, head, text = (tmp_path / "e/README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(head)
    assert about["license"] == "unknown" and about["pretty_name"] == "mine-seqmatch-mtt-ipc2"
    assert ("configs" in about) == (format in ("imagefolder", "parquet"))
    facts = ["CIFAR-10", "91.23 ± 0.50 | 2", "seqmatch-mtt", "| 7, 7 |", "0.01, 0.02", "mean 0.5, 0.4, 0.3"]
    assert all(fact in text for fact in [*facts, "dark\\|ness"])
    assert ("lose something" in text) == (format == "imagefolder")
    assert max(map(len, text.splitlines())) <= 120


def test_a_card_says_unknown_rather_than_guess(tmp_path):
    unknown = made(Subset(images(1), torch.arange(2), 0.01), about={}, accuracies=())
    seqmatch.export(unknown, tmp_path / "e", "npz")
    text = (tmp_path / "e/README.md").read_text()
    assert "| method | unknown |" in text and "was not measured" in text and "licence | unknown" in text


def test_the_citation_is_that_of_the_repository():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"][0]
    assert cited["title"] in PAPER and cited["collection-title"] in PAPER and str(cited["year"]) in PAPER
    assert all(author["family-names"] in PAPER for author in cited["authors"])


def card_of(distilled):
    return " ".join(card(distilled, "set", "files", {}).split())


def test_a_card_says_how_networks_are_trained(distilled):
    text = card_of(distilled)
    assert "at the step size of the subset that is new" in text and "Momentum begins anew with each subset." in text
    assert "| iterations, by subset | 7, 7 |" in text
    settings = {"step_sizes": "first", "momentum_restarts": False, "decay_restarts": True}
    other = card_of(distilled.with_evaluation(**settings))
    assert "at the step size of the first subset" in other
    assert "Momentum goes on from one subset to the next, and begins anew where the rate decays." in other
    fixed = card_of(distilled.with_evaluation(learning_rate=0.02))
    assert "minibatches of 4, at 0.02, times 0.1 at 0.5 of the epochs" in fixed
    stages = [{"distilled": {"matching": {"iterations": count}}} for count in (450, 150)]
    unequal = replace(distilled, about=ABOUT | {"subsets": stages})
    assert "| iterations, by subset | 450, 150 |" in card_of(unequal)
