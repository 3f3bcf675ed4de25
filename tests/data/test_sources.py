"""Every source of images on miniature archives and folders, whole, mixed and broken."""

import errno
import gzip
import hashlib
import io
import os
import pickle
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.archives import encoded, idx, noise, tiny_zip
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from seqmatch import config
from seqmatch.config import catalog
from seqmatch.data import archives, download, folders, sources, tiny_imagenet, torchvision_sets
from seqmatch.data.sources import published_files, read
from seqmatch.errors import SeqmatchError
from seqmatch.planning import sizes


def md5(content):
    return hashlib.md5(content).hexdigest()


def settings(source, **more):
    return config.Dataset(source=source, **more)


def test_every_source_has_a_reader():
    assert set(sources.READERS) == {"imagefolder", *catalog.SOURCES}


# What torchvision reads: miniature files in the published formats, with their own checksums in torchvision's lists.


def write_mnist(folder, images, labels):
    for split, array in images.items():
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[split].astype(np.uint8))))


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
def test_mnist_formats(tmp_path, source):
    images = {"train": noise(5, 28, 28), "t10k": noise(3, 28, 28, seed=1)}
    write_mnist(tmp_path, images, {split: np.arange(len(array)) for split, array in images.items()})
    raw = read(settings(source), tmp_path)
    assert np.array_equal(raw.images[:, 0], np.concatenate([images["train"], images["t10k"]]))
    assert raw.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert raw.test.tolist() == [False] * 5 + [True] * 3
    assert len(raw.class_names) == 10 and raw.class_names[0] in ("0", "T-shirt/top")
    assert not list(tmp_path.glob(".unpacked-*"))


def test_a_folder_that_is_not_ones_own_is_only_read(tmp_path, monkeypatch):
    (tmp_path / "all").mkdir()
    images = {"train": noise(5, 28, 28), "t10k": noise(3, 28, 28, seed=1)}
    write_mnist(tmp_path / "all", images, {split: np.arange(len(array)) for split, array in images.items()})
    monkeypatch.setattr(torchvision_sets.os, "access", lambda path, mode: False)
    monkeypatch.setattr(torchvision_sets.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    before = (tmp_path / "all").stat().st_mtime_ns
    assert len(read(settings("mnist"), tmp_path / "all").images) == 8
    assert (tmp_path / "all").stat().st_mtime_ns == before and (tmp_path / "temporary").is_dir()


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (noise(5, 28, 28), np.arange(4)),
        (noise(5, 28, 28), np.arange(6)),
        (noise(5, 32, 32), np.arange(5)),
        (noise(26, 28, 28), np.arange(1, 27)),
    ],
    ids=["too few labels", "too many", "another size", "other classes"],
)
def test_files_of_ones_own_that_do_not_fit_together_are_named(tmp_path, images, labels):
    """Such as EMNIST's, which are named and made as MNIST's are."""
    write_mnist(tmp_path, {"train": noise(5, 28, 28), "t10k": images}, {"train": np.arange(5), "t10k": labels})
    with pytest.raises(
        SeqmatchError, match=r"t10k-images.*expected a label of 10 for each image of \(1, 28, 28\), fou"
    ):
        read(settings("mnist"), tmp_path)


def cifar_archive(folder, reader, monkeypatch, files):
    """A tar file of pickled batches, known to torchvision's class by its checksums."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, entry in files.items():
            content = pickle.dumps(entry)
            member = tarfile.TarInfo(f"{reader.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (folder / reader.filename).write_bytes(buffer.getvalue())
    sums = {name: md5(pickle.dumps(entry)) for name, entry in files.items()}
    for split in ("train_list", "test_list"):
        known = [[name, sums[name]] for name, _ in getattr(reader, split) if name in sums]
        monkeypatch.setattr(reader, split, known)
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": sums[reader.meta["filename"]]})


@pytest.mark.parametrize(
    ("source", "reader", "label_key"),
    [("cifar10", datasets.CIFAR10, "labels"), ("cifar100", datasets.CIFAR100, "fine_labels")],
)
def test_cifar_formats(tmp_path, monkeypatch, source, reader, label_key):
    train, test = reader.train_list[0][0], reader.test_list[0][0]
    pixels = {train: noise(4, 3072), test: noise(2, 3072, seed=1)}
    files = {name: {"data": data, label_key: list(range(len(data)))} for name, data in pixels.items()}
    files[reader.meta["filename"]] = {reader.meta["key"]: ["plane", "car", "bird", "cat"]}
    cifar_archive(tmp_path, reader, monkeypatch, files)
    raw = read(settings(source), tmp_path)
    assert np.array_equal(raw.images.flatten(1), np.concatenate(list(pixels.values())))
    assert raw.images.shape == (6, 3, 32, 32) and raw.labels.tolist() == [0, 1, 2, 3, 0, 1]
    assert raw.class_names == ("plane", "car", "bird", "cat") and int(raw.test.sum()) == 2


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def test_pickles_that_nobody_published_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reader = datasets.CIFAR10
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("data_batch_1", "test_batch", "batches.meta"):
            content = pickle.dumps(Evil())
            member = tarfile.TarInfo(f"{reader.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (tmp_path / reader.filename).write_bytes(buffer.getvalue())
    with pytest.raises(SeqmatchError, match=r"cifar-10-python.*cannot be read.*not as published.*delete"):
        read(settings("cifar10"), tmp_path)
    assert not (tmp_path / "touched").exists()


def test_svhn_format(tmp_path, monkeypatch):
    splits = {}
    for name, count in (("train", 4), ("test", 3)):
        images = noise(32, 32, 3, count, seed=count)
        path = tmp_path / f"{name}_32x32.mat"
        savemat(path, {"X": images, "y": np.array([[10], [1], [9], [3]][:count], dtype=np.uint8)})
        splits[name] = ["", path.name, md5(path.read_bytes())]
        if name == "train":
            expected = images.transpose(3, 2, 0, 1)
    monkeypatch.setattr(datasets.SVHN, "split_list", splits)
    raw = read(settings("svhn"), tmp_path)
    assert np.array_equal(raw.images[:4], expected)
    assert raw.labels.tolist() == [0, 1, 9, 3, 0, 1, 9] and int(raw.test.sum()) == 3


@pytest.mark.parametrize("damage", ["truncated", "other bytes", "empty"])
def test_damaged_archives_are_named(tmp_path, damage):
    for file in published_files("mnist"):
        content = gzip.compress(idx(noise(4, 28, 28)))
        content = {"truncated": content[:200], "other bytes": b"no archive at all", "empty": b""}[damage]
        (tmp_path / file.name).write_bytes(content)
    with pytest.raises(SeqmatchError, match=r"train-images-idx3-ubyte\.gz|not the published files"):
        read(settings("mnist"), tmp_path)


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "No space left"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError, "can't allocate"),
        (ValueError("odd"), SeqmatchError, r"cannot be read \(odd\); they are as published \(checksum\): keep them"),
    ],
)
def test_files_are_to_be_deleted_only_where_their_checksum_is_wrong(tmp_path, monkeypatch, error, expected, said):
    def fails(*arguments):
        raise error

    known = {file.name: file.md5 for file in published_files("svhn")}
    monkeypatch.setattr(download, "_md5", lambda path: known[path.name])
    monkeypatch.setattr(torchvision_sets, "_split", fails)
    with pytest.raises(expected, match=said) as raised:
        read(settings("svhn"), tmp_path)
    assert "delete " not in str(raised.value)


# Archives that mean harm.


def tar_of(path, *members, content=b"x"):
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("a/../../outside"),
        link("inside", "../outside", tarfile.SYMTYPE),
        link("inside", "/etc/passwd", tarfile.LNKTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_harmful_tar_members_are_refused(tmp_path, member):
    archive, folder = tmp_path / "a.tar.gz", tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    tar_of(archive, member)
    with pytest.raises(SeqmatchError, match="refused"):
        archives.unpack_tar(archive, folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar.gz", "here", "in"]


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 10**5)
    packed = tmp_path / "zeros.gz"
    packed.write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(SeqmatchError, match="more than 100,000 bytes"):
        archives.unpack_gzip(packed, tmp_path / "zeros")
    tar_of(tmp_path / "a.tar.gz", *[tarfile.TarInfo(str(index)) for index in range(20)], content=bytes(10**4))
    (tmp_path / "out").mkdir()
    with pytest.raises(SeqmatchError, match="more than 100,000 bytes"):
        archives.unpack_tar(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def sparse(name, size):
    """A member that takes no place in the archive."""
    member = tarfile.TarInfo(name)
    member.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(size), "GNU.sparse.map": "0,0"}
    return member


def test_a_sparse_file_counts_with_its_full_size(tmp_path):
    tar_of(tmp_path / "a.tar.gz", sparse("large", 10**12), content=b"")
    (tmp_path / "out").mkdir()
    with pytest.raises(SeqmatchError, match="refused"):
        archives.unpack_tar(tmp_path / "a.tar.gz", tmp_path / "out")


def test_too_many_members_are_refused(tmp_path):
    members = [tarfile.TarInfo(str(index)) for index in range(archives.MOST_MEMBERS + 1)]
    tar_of(tmp_path / "a.tar.gz", *members, content=b"")
    (tmp_path / "out").mkdir()
    with pytest.raises(SeqmatchError, match="more than 1,000 members"):
        archives.unpack_tar(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_long_header_is_not_taken_into_memory(tmp_path, monkeypatch):
    """tarfile reads a header's text whole, however long it says it is."""
    monkeypatch.setattr(archives, "LARGEST", 10**5)
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 2**28
    with gzip.open(tmp_path / "a.tar.gz", "wb", 1) as packed:
        packed.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(2**8):
            packed.write(bytes(2**20))
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    with pytest.raises(SeqmatchError, match="more than 100,000 bytes"):
        archives.unpack_tar(tmp_path / "a.tar.gz", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


# Tiny ImageNet's zip file.


def test_tiny_imagenet(tmp_path):
    tiny_zip(tmp_path / tiny_imagenet.FILE.name)
    raw = read(settings("tiny-imagenet"), tmp_path)
    assert raw.images.shape == (6, 3, 64, 64)
    assert raw.class_names == ("fire salamander", "goldfish")
    assert raw.labels.tolist() == [1, 1, 0, 0, 1, 0] and raw.test.tolist() == [False] * 4 + [True] * 2
    first = np.array(Image.open(io.BytesIO(encoded(noise(64, 64, 3)))))
    assert np.array_equal(raw.images[0].permute(1, 2, 0), first)
    assert torch.equal(raw.images[4, 0], raw.images[4, 2])
    assert raw.notes == ("1 of mode L converted to RGB",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.pop(f"{tiny_imagenet.ROOT}/wnids.txt"), "not the archive of Tiny ImageNet"),
        (
            lambda files: files.update({f"{tiny_imagenet.ROOT}/val/images/val_1.JPEG": b"no"}),
            r"zip/.*val_1\.JPEG: not an",
        ),
        (
            lambda files: files.update({name: encoded(noise(32, 32, 3)) for name in files if name.endswith("JPEG")}),
            "not the archive of Tiny ImageNet: its images are of",
        ),
        (
            lambda files: [
                files.update({name: b""}) if "annot" in name else files.pop(name)
                for name in list(files)
                if "annot" in name or "/train/" in name
            ],
            "not the archive of Tiny ImageNet: it has no images",
        ),
        (lambda files: files.update({f"{tiny_imagenet.ROOT}/words.txt": bytes(2**25)}), "refused"),
    ],
)
def test_a_broken_tiny_imagenet_is_named(tmp_path, change, said):
    tiny_zip(tmp_path / tiny_imagenet.FILE.name, change)
    with pytest.raises(SeqmatchError, match=said):
        read(settings("tiny-imagenet"), tmp_path)


def test_a_file_that_is_twice_in_the_archive_is_read_once(tmp_path):
    tiny_zip(tmp_path / tiny_imagenet.FILE.name)
    name = f"{tiny_imagenet.ROOT}/train/n01/images/n01_0.JPEG"
    with zipfile.ZipFile(tmp_path / tiny_imagenet.FILE.name, "a") as archive, pytest.warns(match="Duplicate name"):
        archive.writestr(name, encoded(noise(64, 64, 3)))
    assert len(read(settings("tiny-imagenet"), tmp_path).images) == 6


# Folders of images.


def image_folder(root, classes=("cat", "dog"), splits=("train", "test"), count=3, size=(16, 16)):
    for split in splits:
        for label, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = noise(*size, 3, seed=100 * label + index)
                Image.fromarray(pixels).save(root / split / name / f"{index}.png")
    return root


def test_imagefolder_with_a_test_split(tmp_path):
    raw = read(settings("imagefolder", path=str(image_folder(tmp_path))))
    assert raw.images.shape == (12, 3, 16, 16) and raw.class_names == ("cat", "dog")
    assert raw.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2 and raw.test.tolist() == [False] * 6 + [True] * 6
    assert np.array_equal(raw.images[4].permute(1, 2, 0), noise(16, 16, 3, seed=101))


def test_imagefolder_without_one(tmp_path):
    image_folder(tmp_path, splits=(".",))
    raw = read(settings("imagefolder", path=str(tmp_path)))
    assert len(raw.images) == 6 and raw.test is None


def test_grey_transparent_and_palette_images_are_converted_and_counted(tmp_path):
    root = image_folder(tmp_path)
    Image.fromarray(noise(16, 16)).save(root / "train/cat/grey.png")
    Image.fromarray(noise(16, 16, 4)).save(root / "train/cat/transparent.png")
    Image.fromarray(noise(16, 16)).convert("P").save(root / "train/dog/palette.gif")
    (root / "train/dog/notes.txt").write_text("not an image")
    (root / "train/dog/.hidden.png").write_text("not an image either")
    raw = read(settings("imagefolder", path=str(root)))
    assert len(raw.images) == 15
    assert raw.notes == (
        "1 of mode L converted to RGB",
        "1 of mode P converted to RGB",
        "1 of mode RGBA converted to RGB",
        "1 with transparency, put on white",
        "skipped 1 files `.txt`",
        "skipped 1 hidden files",
    )
    assert read(settings("imagefolder", path=str(root), channels=1)).images.shape == (15, 1, 16, 16)


def test_other_sizes_need_image_size_which_keeps_the_middle(tmp_path):
    root = image_folder(tmp_path)
    wide = np.zeros((16, 40, 3), dtype=np.uint8)
    wide[:, 10:30] = 200  # a margin, as a pixel at the border averages beyond it
    Image.fromarray(wide).save(root / "train/cat/zz-wide.png")
    with pytest.raises(SeqmatchError, match=r"zz-wide\.png: 40×16 pixels, but .*0\.png has 16×16; `image_size`"):
        read(settings("imagefolder", path=str(root)))
    raw = read(settings("imagefolder", path=str(root), image_size=8))
    assert raw.images.shape == (13, 3, 8, 8) and (raw.images[3] == 200).all()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda root: (root / "train/cat/0.png").write_bytes(b"no image"), r"cat/0\.png: not an image"),
        (lambda root: (root / "train/cat/0.png").write_bytes(encoded(noise(16, 16, 3), "PNG")[:300]), r"cat/0\.png"),
        (lambda root: (root / "train/empty").mkdir(), "differ in: empty"),
        (lambda root: [path.unlink() for path in (root / "train/cat").iterdir()], "cat: no images"),
        (lambda root: (root / "test").rename(root / "validation"), "both train/ and test/"),
        (lambda root: (root / "train/broken").symlink_to("nowhere"), "train/broken: leads to what is not here"),
    ],
)
def test_broken_folders_are_named(tmp_path, break_it, said):
    root = image_folder(tmp_path)
    break_it(root)
    with pytest.raises(SeqmatchError, match=said):
        read(settings("imagefolder", path=str(root)))


def test_one_class_and_missing_folders_are_errors(tmp_path):
    image_folder(tmp_path, classes=("cat",))
    with pytest.raises(SeqmatchError, match="at least two classes is expected, found 1"):
        read(settings("imagefolder", path=str(tmp_path)))
    with pytest.raises(SeqmatchError, match="nowhere: there is no such folder"):
        read(settings("imagefolder", path=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("broken", ["opened", "read"])
def test_errors_of_the_system_are_shown_as_they_are(tmp_path, monkeypatch, broken):
    """A file that may not be opened, or a disk that fails: no advice to repair or remove what is whole."""
    root = image_folder(tmp_path)

    def fails(file, *arguments, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO), file if broken == "opened" else None)

    monkeypatch.setattr(*((folders, "open", fails) if broken == "opened" else (Image, "open", fails)), raising=False)
    with pytest.raises((SeqmatchError, OSError), match=r"Input/output error") as error:
        read(settings("imagefolder", path=str(root)))
    assert "cat/0.png" in str(error.value) and "remove" not in str(error.value)


# ImageNet subsets.


def test_imagenet_subsets_take_their_classes_by_place(tmp_path, monkeypatch):
    wnids = [f"n{index:08}" for index in range(1000)]
    for split in ("train", "val"):
        for wnid in wnids:
            (tmp_path / split / wnid).mkdir(parents=True)
    for split in ("train", "val"):
        for index in catalog.IMAGENET_SUBSETS["imagesquawk"]:
            pixels = np.full((140, 200, 3), index % 251, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / wnids[index] / "0.png")
    raw = read(settings("imagesquawk", path=str(tmp_path)))
    assert raw.images.shape == (20, 3, 128, 128)
    assert raw.images[:10, 0, 0, 0].tolist() == [index % 251 for index in catalog.IMAGENET_SUBSETS["imagesquawk"]]
    assert raw.class_names[0] == "peacock" and int(raw.test.sum()) == 10


def test_ten_folders_are_not_imagenet(tmp_path):
    image_folder(tmp_path, splits=("train", "val"))
    with pytest.raises(SeqmatchError, match="1000 class folders, found 2"):
        read(settings("imagenette", path=str(tmp_path)))


def test_the_catalogue_is_true_of_what_can_be_read_here():
    raw = sources.digits()
    known = catalog.SOURCES["digits"]
    assert (len(raw.images), len(raw.class_names), tuple(raw.images.shape[1:])) == (
        known.train,
        known.classes,
        known.shape,
    )
    assert all(len(set(classes)) == 10 for classes in catalog.IMAGENET_SUBSETS.values())


def test_image_size_works_on_every_source():
    raw = read(settings("digits", image_size=16))
    assert raw.images.shape == (1797, 1, 16, 16)
    assert abs(float(raw.images.float().mean()) - float(sources.digits().images.float().mean())) < 2


def test_an_image_folder_is_counted_before_it_is_read(tmp_path):
    found = sizes.size_of(settings("imagefolder", path=str(image_folder(tmp_path)), image_size=24))
    assert (found.train, found.test, found.classes, found.shape) == (6, 6, 2, (3, 24, 24))
    assert sizes.pixels_of(settings("imagefolder", path="nowhere")) == 0
