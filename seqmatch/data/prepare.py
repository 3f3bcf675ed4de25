"""From raw images to a data set: splits held out by class, normalisation fitted on what is left for training."""

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from seqmatch import config
from seqmatch.config.catalog import WHITENING_BYTES
from seqmatch.data import normalization
from seqmatch.data.dataset import Dataset
from seqmatch.data.images import RawImages
from seqmatch.errors import SeqmatchError, ran_out_of_memory
from seqmatch.seeds import Seed


def prepare(raw: RawImages, settings: config.Dataset, seed: Seed) -> Dataset:
    """Split (stratified by class, unless the source has a test split of its own) and fit the normalisation.

    Raises:
        SeqmatchError: a class has too few images to stand in every split; names it, and the key.
    """
    splits = split(raw, settings, seed)
    train = splits["train"]
    if raw.test is not None:
        _check_every_class(raw, test=splits["test"])
    fitted = {
        "standardize": lambda: normalization.fit_standardization(raw.images, train),
        "zca": lambda: _whitening(raw.images, settings.zca_regularization, train),
        "none": lambda: normalization.identity(raw.images.shape[1]),
    }[settings.normalization]()
    return Dataset(
        images=raw.images,
        labels=raw.labels,
        splits=splits,
        class_names=raw.class_names,
        normalization=fitted,
        augmentation=tuple(settings.augmentation),
    )


def split(raw: RawImages, settings: config.Dataset, seed: Seed) -> dict[str, Tensor]:
    """Which images are in the splits `train`, `validation` and `test`: ascending int64 indices.

    Raises:
        SeqmatchError: as `prepare`.
    """
    everything = torch.arange(len(raw.labels))
    if raw.test is None:
        rest, test = _split(everything, raw, "test_fraction", settings.test_fraction, seed / "test")
    else:
        rest, test = everything[~raw.test], everything[raw.test]
        _check_every_class(raw, training=rest)
    train, validation = _split(rest, raw, "validation_fraction", settings.validation_fraction, seed / "validation")
    return {"train": train, "validation": validation, "test": test}


def _check_every_class(raw: RawImages, **splits: Tensor) -> None:
    for split, index in splits.items():
        counts = raw.labels[index].bincount(minlength=len(raw.class_names))
        if not counts.all():
            raise SeqmatchError(
                f"the {split} images have none of {raw.class_names[int(counts.argmin())]}; every class needs some in "
                "training and in test"
            )


def _whitening(images: Tensor, regularization: float, train: Tensor) -> normalization.Whitening:
    try:
        return normalization.fit_whitening(images, regularization, train)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        numbers = images[0].numel()
        gigabytes = WHITENING_BYTES * numbers**2 / 1e9
        raise SeqmatchError(
            f"normalization = zca: out of memory; whitening images of {numbers:,} numbers takes about {gigabytes:.0f} "
            "GB; give the job more (mem_mb), set a smaller image_size, or normalization: standardize"
        ) from None


def _split(index: Tensor, raw: RawImages, key: str, fraction: float, seed: Seed) -> tuple[Tensor, Tensor]:
    """(kept, held out), both ascending, with every class in its proportion, and in each of them."""
    if fraction == 0:
        return index, index[:0]
    labels = raw.labels[index]
    try:
        parts = train_test_split(index, test_size=fraction, stratify=labels, random_state=seed.integer())
        counts = torch.stack([raw.labels[part].bincount(minlength=len(raw.class_names)) for part in parts])
        if not counts.all():
            raise ValueError
    except ValueError:
        counts = labels.bincount(minlength=len(raw.class_names))
        smallest = int(counts.argmin())
        raise SeqmatchError(
            f"{key} = {fraction}: of {len(index)} images not every class can keep one and have one held out; the "
            f"smallest of {len(counts)} classes is {raw.class_names[smallest]}, with {counts[smallest]}; give it more "
            f"images, or change `{key}`"
        ) from None
    kept, held_out = (part.sort().values for part in parts)
    return kept, held_out
