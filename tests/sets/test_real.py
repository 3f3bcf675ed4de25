"""Real images of sets."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny import labelled
from PIL import Image

import seqmatch
from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.sets import real
from seqmatch.sets.learning import Accuracies

CLASSES = ("ant", "bee", "cat")
PIXELS, LABELS = labelled(per_class=8)
PIXELS = (PIXELS * 25 + 100).clamp(0, 255).to(torch.uint8)


def folder_of(place, names=CLASSES):
    """Six training images and two test images of each class."""
    for index, (image, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        path = place / ("test" if index % 8 < 2 else "train") / names[label] / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(path)
    return place


@pytest.fixture
def whitened(tmp_path):
    """A folder of images, and a set in a file that was whitened by those that were not held out of it."""
    folder = folder_of(tmp_path / "images")
    settings = config.Dataset(
        source="imagefolder", path=str(folder), channels=1, normalization="zca", validation_fraction=0.2
    )
    whitening = real.Real(real.read(settings, folder), "insects", settings).dataset().normalization
    plain = seqmatch.from_tensors(PIXELS[::8], LABELS[::8], 0.05, "pixels", whitening, CLASSES)
    told = {"dataset": "insects", "preparation": settings.model_dump(mode="json") | {"path": None}}
    seqmatch.save(replace(plain, normalization=None, about={"prepared": told}), tmp_path / "set.safetensors")
    return tmp_path / "set.safetensors", folder, whitening


def test_a_whitening_is_fitted_anew_on_the_images_that_trained(whitened):
    file, folder, whitening = whitened
    found = seqmatch.load(file)
    images, labels = seqmatch.training_images(found, folder=folder)
    assert sorted(labels.bincount().tolist()) == [4, 5, 5]  # of six each, four are held out to choose by
    torch.testing.assert_close(found.refit(images).normalize(PIXELS), whitening.apply(PIXELS))
    test_images, test_labels = seqmatch.test_images(found, folder=folder)
    assert torch.equal(test_images, PIXELS[[0, 1, 8, 9, 16, 17]]) and test_labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_command_evaluates_a_set_whose_matrix_stayed_behind(whitened, called, monkeypatch):
    file, folder, whitening = whitened
    seen = []

    def evaluate(distilled, images, labels, **options):
        seen.append(distilled.normalize(images))
        return Accuracies((80.0,), 80.0, 0.0)

    monkeypatch.setattr(seqmatch, "evaluate", evaluate)
    assert "on 6 test images" in called("evaluate", file, "--data", folder)
    torch.testing.assert_close(seen[0], whitening.apply(PIXELS[[0, 1, 8, 9, 16, 17]]))


def test_classes_are_known_by_their_names(whitened, tmp_path):
    file, folder, _ = whitened
    other = replace(seqmatch.load(file), class_names=("cat", "ant", "bee"))
    assert seqmatch.test_images(other, folder=folder)[1].tolist() == [1, 1, 2, 2, 0, 0]
    with pytest.warns(UserWarning, match="in their order: class 1 is wasp here and bee there"):
        seqmatch.test_images(seqmatch.load(file), folder=folder_of(tmp_path / "more", ("ant", "wasp", "yak")))


def test_a_folder_that_would_not_be_read_is_refused(tmp_path):
    with pytest.raises(SeqmatchError, match="digits comes with a package, and no folder is read"):
        seqmatch.test_images(seqmatch.load("digits-mtt-ipc2"), folder=tmp_path)
