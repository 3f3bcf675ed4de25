"""From raw images to a data set: splits held out by class, normalisation fitted on what is left for training."""

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from seqmatch import config
from seqmatch.data import normalization
from seqmatch.data.dataset import Dataset
from seqmatch.data.images import RawImages
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed


def prepare(raw: RawImages, settings: config.Dataset, seed: Seed) -> Dataset:
    """Split (stratified by class, unless the source has a test split of its own) and fit the normalisation.

    Raises:
        SeqmatchError: a class has too few images to stand in every split.
    """
    everything = torch.arange(len(raw.labels))
    if raw.test is None:
        rest, test = _split(everything, raw.labels, settings.test_fraction, seed / "test")
    else:
        rest, test = everything[~raw.test], everything[raw.test]
    train, validation = _split(rest, raw.labels, settings.validation_fraction, seed / "validation")
    fitted = {
        "standardize": lambda: normalization.fit_standardization(raw.images, train),
        "zca": lambda: normalization.fit_whitening(raw.images, settings.zca_regularization, train),
        "none": lambda: normalization.identity(raw.images.shape[1]),
    }[settings.normalization]()
    return Dataset(
        images=raw.images,
        labels=raw.labels,
        splits={"train": train, "validation": validation, "test": test},
        class_names=raw.class_names,
        normalization=fitted,
        augmentation=tuple(settings.augmentation),
    )


def _split(index: Tensor, labels: Tensor, fraction: float, seed: Seed) -> tuple[Tensor, Tensor]:
    """(kept, held out), both ascending, with every class in its proportion."""
    if fraction == 0:
        return index, index[:0]
    try:
        kept, held_out = train_test_split(
            index.numpy(), test_size=fraction, stratify=labels[index].numpy(), random_state=seed.integer()
        )
    except ValueError as error:
        raise SeqmatchError(f"a fraction of {fraction} of {len(index)} images cannot be held out: {error}") from None
    return torch.from_numpy(kept).sort().values, torch.from_numpy(held_out).sort().values
