"""The real images that a set is tested on."""

from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from seqmatch import config
from seqmatch.config.catalog import NEED_PATH, SOURCES
from seqmatch.config.sections import DOWNLOADED
from seqmatch.data import download, prepare, sources
from seqmatch.data.images import RawImages
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.sets.distilled import Distilled


def test_images(
    distilled: Distilled, source: str | None = None, folder: str | Path | None = None
) -> tuple[Tensor, Tensor]:
    """Real test images, of the size of those of the set, and their labels: what `evaluate` takes.

    Where the source has no test split of its own, a part of its images: the one that was held out when the set was
    made, if the set tells of the same source.

    Args:
        source: by default that of the set.
        folder: where its files lie; what is published and not there is fetched. By default data/SOURCE.

    Returns:
        uint8 (N, C, H, W), int64 (N,).

    Raises:
        SeqmatchError: the source is not known, its files cannot be had, or its images do not fit the set.
    """
    name, settings = _settings(distilled, source)
    place = Path(folder or f"data/{settings.source}")
    if settings.source in NEED_PATH:
        settings = settings.model_copy(update={"path": str(place)})
    if settings.source in DOWNLOADED:
        download.fetch(sources.published_files(settings.source), place)
    raw = sources.read(settings, place)
    _check(raw, distilled, settings.source)
    index = prepare.split(raw, settings, Seed("prepare", name, settings.split_seed))["test"]
    return raw.images[index], raw.labels[index]


def _settings(distilled: Distilled, source: str | None) -> tuple[str, config.Dataset]:
    """The name of the data set, and how it is read and split."""
    prepared = distilled.about.get("prepared", {})
    try:
        own = config.Dataset(**prepared.get("preparation", {}))
    except ValidationError:  # the set does not tell, or as another version had it
        own = None
    if own is not None and source in (None, own.source):
        return prepared["dataset"], own
    if source is None:
        raise SeqmatchError("the set does not tell which real images it was made from; name the source (--dataset)")
    channels, side, _ = distilled.shape
    if source in SOURCES:
        return source, config.Dataset(source=source, image_size=side)
    return source, config.Dataset(source=source, image_size=side, channels=channels)


def _check(raw: RawImages, distilled: Distilled, source: str) -> None:
    if tuple(raw.images.shape[1:]) != distilled.shape:
        found, expected = ("×".join(map(str, shape)) for shape in (raw.images.shape[1:], distilled.shape))
        raise SeqmatchError(f"{source}: its images are of {found}, those of the set of {expected}")
    if len(raw.class_names) != len(distilled.class_names):
        raise SeqmatchError(f"{source}: has {len(raw.class_names)} classes, the set {len(distilled.class_names)}")
