"""Folders as people have them: hidden and derived ones, links, other names of splits, what cannot be read."""

import errno
import os
from unittest.mock import Mock

import pytest

from seqmatch import config
from seqmatch.data import listing
from seqmatch.data.listing import Listing
from seqmatch.errors import SeqmatchError
from seqmatch.planning import sizes


def tree(root, *paths):
    """Empty files, as only their names are looked at."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


CLASSES = ("a/1.png", "a/2.JPG", "b/1.jfif", "b/in/2.webp")


def found(root):
    """Names of all images, relative to the folder, and what was skipped."""
    seen = Listing(root)
    images = [path for split in seen.splits for name in seen.classes for path in seen.images(split, name)]
    return [path.relative_to(root).as_posix() for path in images], dict(seen.skipped)


def test_images_of_classes_in_the_order_of_their_names(tmp_path):
    assert found(tree(tmp_path, *CLASSES)) == (sorted(CLASSES), {})


def test_hidden_and_derived_folders_are_skipped_and_counted_at_any_depth(tmp_path):
    tree(tmp_path, *CLASSES, ".git/x/1.png", "__MACOSX/a/._1.png", "a/.ipynb_checkpoints/1-checkpoint.png", "a/._1.png")
    tree(tmp_path, "b/in/@eaDir/2.png", "b/in/.thumbnails/2.png", "b/Thumbnails/1.png", "a/notes.txt", "README", "a/No")
    images, skipped = found(tmp_path)
    assert images == sorted(CLASSES)
    assert skipped == {
        "folders `.git`": 1,
        "folders `__MACOSX`": 1,
        "folders `.ipynb_checkpoints`": 1,
        "folders `.thumbnails`": 1,
        "folders `@eaDir`": 1,
        "folders `Thumbnails`": 1,
        "hidden files": 1,
        "files `.txt`": 1,
        "files without an ending": 2,
    }


def test_links_are_followed_once(tmp_path):
    """To a folder elsewhere; back to the class, to the whole and to what is above it; and to the same one twice.

    An image that is taken twice could be trained on and held out.
    """
    elsewhere = tree(tmp_path / "elsewhere", "3.png", "deeper/4.png")
    root = tree(tmp_path / "data", *CLASSES)
    (root / "a/link").symlink_to(elsewhere)
    (elsewhere / "deeper/again").symlink_to(elsewhere)
    for number, target in enumerate((root / "a", root, tmp_path, elsewhere, "/")):
        (root / f"a/loop{number}").symlink_to(target)
    (root / "a/5.png").symlink_to(root / "a/1.png")
    os.link(root / "b/1.jfif", root / "b/in/1.jfif")
    images, skipped = found(root)
    assert images == sorted([*CLASSES, "a/link/3.png", "a/link/deeper/4.png"])
    assert skipped == {"links to a folder that is read already": 6, "links to a file that is read already": 2}


def test_a_class_may_be_a_link_but_not_to_another_class(tmp_path):
    root = tree(tmp_path / "data", *CLASSES)
    tree(tmp_path / "elsewhere", "1.png")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    assert "c/1.png" in found(root)[0]
    (root / "d").symlink_to(root / "a")
    with pytest.raises(SeqmatchError, match=r"data/d: the same folder as .*data/a; an image is of one class"):
        found(root)
    (root / "d").unlink()
    (root / "b/link").symlink_to(root / "a")
    with pytest.raises(SeqmatchError, match=r"b/link: leads to images of .*data/a; an image is of one class"):
        found(root)


@pytest.mark.parametrize("place", ["train/b/9.png", "test/a/9.png"])
@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_an_image_is_not_of_two_classes_or_splits(tmp_path, place, link):
    tree(tmp_path, *(f"{split}/{name}" for split in ("train", "test") for name in CLASSES))
    link(tmp_path / "train/a/1.png", tmp_path / place)
    with pytest.raises(SeqmatchError, match=f"{place}: leads to images of .*/train/a; an image is of one class"):
        found(tmp_path)


@pytest.mark.parametrize("place", ["a/9.png.dvc", "b.dvc", "c.dvc", "a/.9.jpg.icloud"])
def test_what_stands_for_an_image_that_is_not_here_stops(tmp_path, place):
    tree(tmp_path, *CLASSES, "a/1.png.dvc", "b.dvc", "labels.csv.dvc", ".dvc/config")
    assert found(tmp_path)[0] == sorted(CLASSES)
    if place != "b.dvc":
        with pytest.raises(SeqmatchError, match=f"{place}: leads to what is not here; get that .*`dvc pull`"):
            found(tree(tmp_path, place))


def test_a_link_that_may_not_be_followed_is_not_said_to_lead_nowhere():
    entry = Mock(is_symlink=lambda: True, stat=Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
    entry.name = "1.png"
    with pytest.raises(PermissionError):
        listing._leads_nowhere(entry)


@pytest.mark.parametrize("place", ["a/9.png", "a/in", "c", "a/old.tar"])
def test_links_that_lead_nowhere_stop(tmp_path, place):
    (tree(tmp_path, *CLASSES) / place).symlink_to(".git/annex/objects/x")
    with pytest.raises(SeqmatchError, match=f"{place}: leads to what is not here; get that"):
        found(tmp_path)


def test_a_folder_that_may_not_be_entered_stops(tmp_path, monkeypatch):
    tree(tmp_path, *CLASSES)
    scandir = os.scandir

    def forbidden(path):
        if str(path).endswith("b/in"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(PermissionError, match="b/in"):
        found(tmp_path)


@pytest.mark.parametrize("ending", ["heic", "AVIF", "dcm", "cr2"])
def test_images_of_other_kinds_stop(tmp_path, ending):
    with pytest.raises(SeqmatchError, match=rf"a/3\.{ending}: images of this kind are not read; convert it"):
        found(tree(tmp_path, *CLASSES, f"a/3.{ending}"))


@pytest.mark.parametrize("name", ["3.jpg_large", "3.jpg.1", "3", "3.mpo", "3.jpg.part"])
@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0", b"RIFF\1\2\3\4WEBPVP8 ", b"\0\0\0\x18ftypheic", b"II*\0"])
def test_images_by_content_alone_stop(tmp_path, name, content):
    (tree(tmp_path, *CLASSES) / "a" / name).write_bytes(content)
    with pytest.raises(SeqmatchError, match=f"a/{name}: an image by its content, but not by its name; let it end"):
        found(tmp_path)


def test_a_class_may_be_meant_by_what_elsewhere_are_copies(tmp_path):
    with pytest.raises(SeqmatchError, match="thumbs: a class, or copies of images"):
        found(tree(tmp_path, *CLASSES, "thumbs/1.png"))


@pytest.mark.parametrize("path", ["1.png", "train/1.png"])
def test_images_beside_classes_stop(tmp_path, path):
    splits = [f"{split}/{name}" for split in ("train", "test") for name in CLASSES]
    with pytest.raises(SeqmatchError, match=rf"{path}: an image beside the folders of classes"):
        found(tree(tmp_path, *splits, path))


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tree(tmp_path, *CLASSES) / "a/pipe.png")
    assert found(tmp_path) == (sorted(CLASSES), {"neither files nor folders": 1})


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Test"), ("training", "TESTING")])
def test_splits_by_other_names_and_cases(tmp_path, names):
    tree(tmp_path, *(f"{split}/{name}" for split in names for name in CLASSES), "LICENSE")
    seen = Listing(tmp_path)
    assert [split.name for split in seen.splits] == list(names) and seen.classes == ["a", "b"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train",), "both train/ and test/"),
        (("train", "cat", "dog"), "a class needs another name than that of a split"),
        (("train", "val"), "validation_fraction"),
        (("train", "test", "val"), "validation_fraction"),
        (("train", "test", "unlabelled"), "nothing else"),
        (("Train", "train", "test"), "both train/ and test/ and nothing else"),
        (("test", "valid"), "both train/ and test/"),
        (("seg_train", "seg_test", "seg_pred"), "look like splits; name those `train` and `test`"),
        (("training_set", "test_set"), "look like splits"),
        (("trainset", "valset"), "look like splits"),
        (("trainA", "trainB", "testA", "testB"), "look like splits"),
        (("trainval2007", "test2007"), "look like splits"),
        (("dogTrain", "dogTest"), "look like splits"),
        (("train_images", "holdout"), "look like splits"),
    ],
)
def test_other_structures_are_refused(tmp_path, names, said):
    with pytest.raises(SeqmatchError, match=said):
        found(tree(tmp_path, *(f"{split}/{name}" for split in names for name in CLASSES)))


def test_words_within_others_are_no_splits(tmp_path):
    root = tree(tmp_path, *(f"{name}/1.png" for name in ("contest", "strainer", "terrain", "valley", "model-train")))
    assert len(found(root)[0]) == 5


def test_a_split_within_a_class_is_refused(tmp_path):
    with pytest.raises(SeqmatchError, match=r"a/t.*: a split within a class"):
        found(tree(tmp_path, "a/train/1.png", "a/test/1.png", "b/train/1.png"))


COMPOSED, APART = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (
            (f"train/{COMPOSED}/1.png", "train/b/1.png", f"test/{APART}/1.png", "test/b/1.png"),
            r"differ in: 'cafe\\u0301', 'caf\\xe9'; only in the form of Unicode",
        ),
        (("train/a /1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"), r"differ in: a, 'a '"),
        ((f"{COMPOSED}/1.png", f"{APART}/1.png"), r"'cafe\\u0301' and 'caf\\xe9' are one name in two forms"),
        (("a\n/1.png", "b/1.png"), r"the class 'a\\n' has characters that are no text"),
        (("a\udcff/1.png", "b/1.png"), r"the class 'a\\udcff' has characters that are no text"),
    ],
)
def test_names_that_only_a_machine_can_tell_apart(tmp_path, paths, said):
    with pytest.raises(SeqmatchError, match=said):
        found(tree(tmp_path, *paths))


# What planning knows of such a folder.


def counted(root, **more):
    return sizes.size_of(config.Dataset(source="imagefolder", path=str(root), **more))


def test_planning_counts_what_will_be_read(tmp_path):
    tree(tmp_path, *CLASSES, "a/.thumbnails/1.png", "a/notes.txt")
    size = counted(tmp_path, image_size=16)
    assert (size.train, size.test, size.classes, size.shape) == (4, 0, 2, (3, 16, 16))


def test_planning_looks_at_so_many_files_and_takes_the_others_to_be_like_them(tmp_path, monkeypatch):
    tree(tmp_path, *(f"{name}/{number}.png" for name in "abcd" for number in range(10)))
    monkeypatch.setattr(sizes, "MOST_FILES", 20)
    looked_at = []
    monkeypatch.setattr(Listing, "is_image", lambda self, file: looked_at.append(file) or True)
    assert counted(tmp_path, image_size=8).train == 40 and len(looked_at) == 20


def test_planning_does_not_walk_what_is_no_folder_of_images(monkeypatch):
    entered = []
    visible = Listing._visible
    monkeypatch.setattr(Listing, "_visible", lambda self, folder: entered.append(folder) or visible(self, folder))
    assert counted("/").train == 0 and len(entered) < 100
