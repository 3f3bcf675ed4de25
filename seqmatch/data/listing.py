"""Which files of a folder are images of which class and split: nothing is left out without a word.

Imports neither torch nor Pillow: planning counts images with it.
"""

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from seqmatch.errors import SeqmatchError, printable

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM")
"""Pillow's decoders that a file's content may choose, whatever its name: none that starts another program."""

# fmt: off
IMAGES = {
    ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".png", ".apng", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".dib", ".tif",
    ".tiff", ".webp", ".gif",
}
"""Endings of names that are read, in lower case."""

OTHER_IMAGES = {
    ".heic", ".heif", ".heics", ".hif", ".avif", ".avifs", ".jxl", ".jxr", ".jp2", ".j2k", ".j2c", ".jpx", ".jpm",
    ".svg", ".psd", ".xcf", ".tga", ".dds", ".exr", ".hdr", ".pfm", ".pam", ".qoi", ".pcx", ".sgi", ".ico", ".icns",
    ".xbm", ".xpm", ".wmf", ".emf", ".fits", ".eps", ".dcm", ".nii", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf",
    ".pef", ".raf", ".rw2",
}
"""Endings of images that are not read: an error, since a class would lose them."""

CONTENT = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(?:hei|mif|avi)|\0\0\0\x0cjP", re.DOTALL
)
"""How images begin, JPEG to JPEG 2000; also those whose names do not say so, such as `1.jpg_large` and `1.jpg.1`."""

DERIVED = {
    "__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "lost+found",
    "system volume information", "__pycache__",
}
"""Folders that programs make, in lower case: images there are copies of others. Hidden folders are of this kind too."""
# fmt: on

THUMBNAILS = {f"{begin}thumb{end}" for begin in ("", "_") for end in ("nail", "nails", "s")}
"""Of the same kind within a class, in lower case; a class could also have such a name."""

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
"""Names of folders that are splits and no classes, in lower case."""

SPLIT_WORD = re.compile(
    "(?<![a-z])(train|test|val|eval|holdout)(?:val|ing|id|idation|uation)?(?:set|data|split|images|imgs)?(?![a-z])"
)
"""In the names of folders that may be meant as splits, such as `training_set`."""


class Listing:
    """The class folders of one data set, their images, and what was skipped on the way."""

    def __init__(self, root: Path, splits: Sequence[str] = ()):
        """Look at the class folders; what is in them is looked at by `images`.

        Args:
            root: the folder of the data set.
            splits: names of the folders of training and of test images; by default as they are found.

        Raises:
            SeqmatchError: this is not how a data set is arranged; names the folder, and says what to do.
            OSError: a folder cannot be entered.
        """
        self.skipped: Counter[str] = Counter()
        """How many, by what they are."""
        within = [] if splits else self._folders(root)
        self.splits = [root / name for name in splits or _splits(root, within)] or [root]
        """Folders of class folders: one of all images, or that of training and that of test images."""
        self.classes = within if self.splits == [root] else self._folders(self.splits[0])
        """Names of the class folders, sorted."""
        for split in self.splits[1:]:
            _check_same(self.splits[0], self.classes, split, self._folders(split))
        _check_names(self.splits[0], self.classes)
        self._root = os.path.realpath(root)
        self._read_for: dict[tuple[int, int], Path] = {}
        """For which class folder, or folder of these, each file and folder is read, by its device and number."""
        for folder in (root, *self.splits, *(split / name for split in self.splits for name in self.classes)):
            first = self._read_for.setdefault(_identity(folder), folder)
            if first != folder:
                raise SeqmatchError(f"{folder}: the same folder as {first}; an image is of one class and one split")

    def images(self, split: Path, name: str) -> list[Path]:
        """The images of one class in one split, in the order of their names.

        Raises:
            SeqmatchError: there are none, or some that cannot be read; names the file or folder.
            OSError: a folder cannot be entered.
        """
        found = []
        for file in self.files(split / name):
            if not self.is_image(file):
                _check_is_no_image(file)
            elif self._is_new(file, split / name):
                found.append(Path(file.path))
        if not found:
            raise SeqmatchError(f"{split / name}: no images ({', '.join(sorted(IMAGES))}); a class cannot be empty")
        return sorted(found, key=attrgetter("parts"))

    def files(self, folder: Path) -> Iterator[os.DirEntry]:
        """All files of a class, also in folders within; links are followed, and no folder is entered twice."""
        waiting = [folder]
        while waiting:
            for entry in self._visible(waiting.pop()):
                if not entry.is_dir():
                    yield entry
                elif entry.name.lower() in SPLITS:
                    raise SeqmatchError(
                        f"{entry.path}: a split within a class; put `train` and `test` above the classes, or give this "
                        "folder another name"
                    )
                elif entry.name.lower() in THUMBNAILS:
                    self.skipped[f"folders `{printable(entry.name)}`"] += 1
                elif self._is_new(entry, folder):
                    waiting.append(Path(entry.path))

    def _is_new(self, entry: os.DirEntry, folder: Path) -> bool:
        """Whether a file or folder has yet to be read for the class of `folder`: links may lead to the same one again.

        An image that is taken twice could be trained on and held out.
        """
        identity = _identity(entry)
        first = self._read_for.get(identity)
        above = entry.is_dir() and Path(self._root).is_relative_to(os.path.realpath(entry.path))
        if first is None and not above:
            self._read_for[identity] = folder
            return True
        if first is None or folder.is_relative_to(first):
            self.skipped[f"links to a {'folder' if entry.is_dir() else 'file'} that is read already"] += 1
            return False
        raise SeqmatchError(f"{entry.path}: leads to images of {first}; an image is of one class and one split")

    def _folders(self, root: Path) -> list[str]:
        """Names of the folders in `root`, sorted; an image beside them would be lost."""
        if not root.is_dir():
            raise SeqmatchError(f"{root}: there is no such folder")
        names = []
        for entry in self._visible(root):
            if entry.is_dir():
                names.append(entry.name)
                if entry.name.lower() in THUMBNAILS:
                    raise SeqmatchError(
                        f"{entry.path}: a class, or copies of images? Give it another name, or remove it"
                    )
            elif self.is_image(entry):
                raise SeqmatchError(
                    f"{entry.path}: an image beside the folders of classes; put it into one of them, or elsewhere"
                )
        return names

    def _visible(self, folder: Path) -> Iterator[os.DirEntry]:
        """Files and folders in `folder`, in the order of their names, but for hidden ones and those of programs."""
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=attrgetter("name"))
        for entry in ordered:
            if _leads_nowhere(entry) or _stands_for_another(entry):
                raise SeqmatchError(
                    f"{entry.path}: leads to what is not here; get that (`git annex get`, `dvc pull`, from iCloud, "
                    "from a disk that is not mounted), or remove this"
                )
            if entry.name.startswith(".") or (entry.name.lower() in DERIVED and entry.is_dir()):
                self.skipped[f"folders `{printable(entry.name)}`" if entry.is_dir() else "hidden files"] += 1
            else:
                yield entry

    def is_image(self, file: os.DirEntry) -> bool:
        """Whether a file's name is that of an image.

        Raises:
            SeqmatchError: it is that of one which is not read.
        """
        ending = os.path.splitext(file.name)[1].lower()
        if ending in OTHER_IMAGES:
            raise SeqmatchError(f"{file.path}: images of this kind are not read; convert it, to PNG say, or remove it")
        if ending in IMAGES and file.is_file():
            return True
        kind = f"files `{printable(ending)}`" if ending else "files without an ending"
        self.skipped[kind if file.is_file() else "neither files nor folders"] += 1
        return False


def _identity(entry: Path | os.DirEntry) -> tuple[int, int]:
    status = entry.stat()
    return status.st_dev, status.st_ino


def _leads_nowhere(entry: os.DirEntry) -> bool:
    """Whether this is a link to nothing; raises OSError where that cannot be known."""
    if not entry.is_symlink() or entry.name.startswith("."):
        return False
    try:
        entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return True
        raise
    return False


def _stands_for_another(entry: os.DirEntry) -> bool:
    """Whether this is a small file of DVC or iCloud for an image, or a folder, that is not on this machine."""
    stem, ending = os.path.splitext(entry.name)
    if ending not in (".dvc", ".icloud") or not entry.is_file():
        return False
    return os.path.splitext(stem)[1].lower() in IMAGES | {""} and not os.path.lexists(entry.path[: -len(ending)])


def _check_is_no_image(file: os.DirEntry) -> None:
    """Look into a file whose name is not that of an image.

    Raises:
        SeqmatchError: it is one all the same, and its class would lose it.
    """
    try:
        if not file.is_file():  # to open a pipe might never end
            return
        with open(file.path, "rb") as opened:
            beginning = opened.read(16)
    except OSError:
        return
    if CONTENT.match(beginning):
        raise SeqmatchError(
            f"{file.path}: an image by its content, but not by its name; let it end as such images do (.jpg, .png), or "
            "remove it"
        )


def _splits(root: Path, folders: list[str]) -> list[str]:
    """Names of the folders of training and test images, if `root` has any; otherwise its folders are classes."""
    found = {name: SPLITS[name.lower()] for name in folders if name.lower() in SPLITS}
    if not found:
        words = {word for name in folders for word in SPLIT_WORD.findall(_apart(name))}
        if "train" in words and len(words) > 1:
            raise SeqmatchError(
                f"{root}: {', '.join(folders)} look like splits; name those `train` and `test`, classes otherwise"
            )
        return []
    if sorted(found.values()) == ["test", "train"] and len(found) == len(folders):
        return sorted(found, key=found.get, reverse=True)
    raise SeqmatchError(
        f"{root}: has {', '.join(map(printable, folders))}; there must be both train/ and test/ and nothing else, or "
        "the classes themselves. Images for validation are held out of train/ (`validation_fraction`): put those of "
        "other folders there, or elsewhere; a class needs another name than that of a split"
    )


def _apart(name: str) -> str:
    """In lower case, with `_` where a new word began with a capital, as in `trainA`."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _check_same(first: Path, classes: list[str], split: Path, others: list[str]) -> None:
    if classes == others:
        return
    differing = sorted(set(classes) ^ set(others))
    forms = [{_form(name) for name in set(names) & set(differing)} for names in (classes, others)]
    why = "; only in the form of Unicode: rename one to match" if forms[0] == forms[1] else ""
    names = (ascii(name) if why or name != name.strip() else printable(name) for name in differing)
    raise SeqmatchError(f"{split}: its classes are not those of {first}; they differ in: {', '.join(names)}{why}")


def _check_names(split: Path, classes: list[str]) -> None:
    if len(classes) < 2:
        raise SeqmatchError(f"{split}: a folder for each of at least two classes is expected, found {len(classes)}")
    by_form: dict[str, str] = {}
    for name in classes:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise SeqmatchError(f"{split}: the class {name!a} has characters that are no text; rename its folder")
        other = by_form.setdefault(_form(name), name)
        if other != name:
            raise SeqmatchError(f"{split}: {other!a} and {name!a} are one name in two forms of Unicode")


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
