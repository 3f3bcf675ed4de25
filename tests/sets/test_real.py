"""Real images of sets."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny import labelled
from PIL import Image

import seqmatch
from seqmatch import config
from seqmatch.data.dataset import known_by
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


def test_classes_of_other_names_are_taken_in_no_order_without_a_word(tmp_path):
    """In that of their numbers where they are numbered, as torchvision names folders 0 to 10."""
    named = seqmatch.from_tensors(PIXELS[::8], LABELS[::8], 0.05, "pixels", class_names=CLASSES)
    numbered = seqmatch.from_tensors(PIXELS[::8], LABELS[::8], 0.05, "pixels", class_names=[*"210"])
    unnamed = seqmatch.from_tensors(PIXELS[::8], LABELS[::8], 0.05, "pixels")
    words = folder_of(tmp_path / "words", ("one", "two", "zero"))
    numbers = folder_of(tmp_path / "numbers", ("2", "0", "1"))
    padded = folder_of(tmp_path / "padded", ("02", "00", "01"))

    def classes(distilled, folder):
        return seqmatch.test_images(distilled, "imagefolder", folder)[1].tolist()

    with pytest.warns(UserWarning, match="taken in their order: one here is ant there"):
        assert classes(named, words) == [0, 0, 1, 1, 2, 2]
    with pytest.warns(UserWarning, match="taken in their order: one here is 0 there"):
        assert classes(unnamed, words) == [0, 0, 1, 1, 2, 2]
    with pytest.warns(UserWarning, match="taken as they are numbered: 0 here is ant there"):
        assert classes(named, numbers) == [0, 0, 1, 1, 2, 2]
    assert classes(unnamed, padded) == [0, 0, 1, 1, 2, 2] and classes(numbered, padded) == [2, 2, 1, 1, 0, 0]
    made = replace(numbered, about={"prepared": {"dataset": "mine"}})
    with pytest.raises(SeqmatchError, match="has a class one, which the set has not; expected 2, 1, 0; name its fo"):
        classes(made, words)
    with pytest.raises(SeqmatchError, match="has a class wasp, which the set has not; expected bee, cat; name"):
        classes(named, folder_of(tmp_path / "more", ("ant", "wasp", "yak")))


def test_a_folder_that_others_images_were_held_out_of_is_refused(tmp_path):
    """One more image would move others from the training images to those that are tested on."""
    for label, name in enumerate(CLASSES):
        for index, pixels in enumerate(PIXELS[label == LABELS]):
            path = tmp_path / name / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(path)
    preparation = {"source": "imagefolder", "channels": 1, "validation_fraction": 0.2}
    told = {"dataset": "insects", "preparation": preparation}
    named = seqmatch.from_tensors(PIXELS[::8], LABELS[::8], 0.05, "pixels", class_names=CLASSES)
    raw = real.read(config.Dataset(**preparation, path=str(tmp_path)), tmp_path)
    found = replace(named, about={"prepared": told | known_by(raw.images)})
    assert len(seqmatch.test_images(found, folder=tmp_path)[1])
    with pytest.warns(UserWarning, match="does not tell whether it was made from the same ones"):
        seqmatch.test_images(replace(found, about={"prepared": told}), folder=tmp_path)
    (tmp_path / "ant/0.png").rename(tmp_path / "ant/9.png")
    with pytest.raises(SeqmatchError, match=r"\(24; found 24\), or in another order, as their files"):
        seqmatch.test_images(found, folder=tmp_path)
    (tmp_path / "ant/9.png").rename(tmp_path / "ant/0.png")
    (tmp_path / "ant/more.png").write_bytes((tmp_path / "ant/0.png").read_bytes())
    with pytest.raises(SeqmatchError, match=r"not the images that the set was made from \(24; found 25\)"):
        seqmatch.test_images(found, folder=tmp_path)


def test_a_folder_that_would_not_be_read_is_refused(tmp_path):
    with pytest.raises(SeqmatchError, match="digits comes with a package, and no folder is read"):
        seqmatch.test_images(seqmatch.load("digits-mtt-ipc2"), folder=tmp_path)
