"""The sets that come with the package."""

import json
from dataclasses import replace
from types import SimpleNamespace

import add_set
import pytest
import torch
from helpers.tiny import ROOT

import seqmatch
from seqmatch.data.normalization import fit_whitening
from seqmatch.errors import SeqmatchError
from seqmatch.files.tensors import load_tensors
from seqmatch.sets import index, listed, path_of
from seqmatch.sets.licences import LICENCES
from seqmatch.sets.real import test_images as images_to_test

NAMES = sorted(listed())


@pytest.mark.parametrize("name", NAMES)
def test_a_set_of_the_index_is_what_its_entry_tells(name):
    entry, distilled = listed()[name], seqmatch.load(name)
    assert entry.accuracy.model_dump() == distilled.accuracies[0].model_dump()
    assert entry.images == sum(len(subset.decoded()[0]) for subset in distilled.subsets)
    assert entry.subsets == len(distilled.subsets) and entry.licence == LICENCES[entry.source].name
    assert entry.method == distilled.about["distilled"]["method"]
    assert path_of(name).stat().st_size <= add_set.LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_no_real_image_is_in_it(name):
    assert not seqmatch.load(name).real
    assert not [key for key in load_tensors(path_of(name))[0] if "initial" in key]


def test_the_folder_holds_what_the_index_lists_and_little():
    files = {path.name for path in index.FOLDER.glob("*.safetensors")}
    assert files == {entry.file for entry in listed().values()}
    assert sum((index.FOLDER / name).stat().st_size for name in files) <= add_set.LARGEST_TOGETHER


def test_its_accuracy_comes_again():
    """Of one of its networks, on the images that its makers held out; other machines round otherwise."""
    name = "digits-seqmatch-mtt-ipc2"
    distilled = seqmatch.load(name)
    found = seqmatch.evaluate(distilled, *images_to_test(distilled), networks=1)
    assert found.mean == pytest.approx(listed()[name].accuracy.mean, abs=5)


def test_a_set_of_a_folder_of_images_asks_for_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeqmatchError, match=r"data/imagefolder: there is no such folder: .*--data.*--dataset"):
        images_to_test(seqmatch.load("cifar10-jpeg-dc-ipc1"))


def test_a_set_that_is_not_in_the_index_is_told_with_its_neighbours():
    with pytest.raises(
        SeqmatchError,
        match=r"digits-mtt-ipc3: there is no such file, and no set of the index; did you mean digits-mtt-ipc2\?",
    ):
        path_of("digits-mtt-ipc3")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An index of its own, empty."""
    monkeypatch.setattr(index, "INDEX", tmp_path / "index.json")
    monkeypatch.setattr(add_set, "INDEX", tmp_path / "index.json")
    index._read.cache_clear()
    yield tmp_path
    index._read.cache_clear()


def added(made, name, place, source=None):
    add_set.main(SimpleNamespace(set=place, name=name, images_of=source))
    index._read.cache_clear()


def test_a_set_is_added_and_damage_is_an_error(made):
    added(made, "again", path_of_package("digits-mtt-ipc2"))
    assert listed().keys() == {"again"} and len(seqmatch.load("again").subsets) == 1
    added(made, "other", path_of_package("digits-dm-ipc2"))
    assert listed().keys() == {"again", "other"} and listed()["other"].source == "digits"
    added(made, "other", path_of_package("digits-dm-ipc2"), "cifar10")
    assert listed()["other"].licence == "unknown"
    (made / "again.safetensors").write_bytes((made / "other.safetensors").read_bytes())
    with pytest.raises(SeqmatchError, match=r"again.safetensors: not the file that the index tells of \(SHA-256"):
        seqmatch.load("again")
    (made / "again.safetensors").unlink()
    with pytest.raises(SeqmatchError, match=r"again.safetensors: there is no such file"):
        seqmatch.load("again")
    (made / "index.json").write_text(json.dumps({"again": {"file": "../x"}}))
    index._read.cache_clear()
    with pytest.raises(SeqmatchError, match=r"index.json: .*again"):
        listed()


def test_what_is_too_large_or_of_unknown_making_is_not_added(made, monkeypatch):
    monkeypatch.setattr(add_set, "LARGEST", 100)
    with pytest.raises(SeqmatchError, match="at most 100"):
        added(made, "again", path_of_package("digits-mtt-ipc2"))
    monkeypatch.setattr(add_set, "source_of", lambda distilled: None)
    with pytest.raises(SeqmatchError, match="does not tell how it was made"):
        added(made, "again", path_of_package("digits-mtt-ipc2"))
    assert list(made.iterdir()) == []


def test_of_a_whitened_set_the_matrix_stays_behind(made):
    images = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whitening = fit_whitening(images, 0.1)
    whitened = replace(seqmatch.load(path_of_package("digits-mtt-ipc2")), normalization=whitening, fingerprint=None)
    seqmatch.save(whitened, made / "whole.safetensors")
    added(made, "whitened", made / "whole.safetensors")
    found = seqmatch.load("whitened")
    assert found.normalization is None and "zca_matrix" not in load_tensors(path_of("whitened"))[0]
    torch.testing.assert_close(found.refit(images).normalize(images), whitening.apply(images))


def path_of_package(name):
    return ROOT / f"seqmatch/sets/made/{name}.safetensors"
