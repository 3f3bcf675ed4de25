"""Synthetic sets of other programs, as the tensors they publish; see `seqmatch.synthetic.external` for layouts."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from seqmatch import config
from seqmatch.config.sections import Operation
from seqmatch.data.normalization import Given, checked, identity
from seqmatch.errors import SeqmatchError, allowed
from seqmatch.sets.distilled import Distilled
from seqmatch.synthetic import external
from seqmatch.synthetic.subset import Subset, pixels_of

Space = Literal["pixels", "normalized"]
"""What the numbers of images are: `pixels` lie in [0, 1] (uint8: 0 to 255), `normalized` ones are what networks see."""

DSA: tuple[Operation, ...] = get_args(Operation)
"""The operations that such sets are usually trained with."""


def from_files(
    images: str | Path,
    labels: str | Path | None = None,
    step_size: str | Path | float | None = None,
    experiment: int = 0,
    *,
    space: Space,
    **about: Any,
) -> Distilled:
    """The set in files of another program.

    Args:
        images, labels, step_size, experiment: as of `seqmatch.synthetic.external.read`.
        space, about: as of `from_tensors`.

    Raises:
        SeqmatchError: as both.
    """
    found = external.read(images, labels, step_size, experiment)
    if found.step_size is None:
        raise SeqmatchError(f"{images}: its step size is not known: give `step_size`, the learning rate of networks")
    about = {"name": Path(images).resolve().name} | about
    return from_tensors(found.images, found.labels, found.step_size, space, **about)


def from_tensors(
    images: Any,
    labels: Any,
    step_size: float,
    space: Space,
    normalization: Given | None = None,
    class_names: Sequence[str] | None = None,
    evaluation: config.Evaluation | None = None,
    augmentation: Sequence[str] = DSA,
    architecture: config.Architecture | None = None,
    name: str = "from tensors",
) -> Distilled:
    """A set of one subset from the tensors of another program.

    Args:
        images: (n, C, H, W).
        labels: classes (n,), from 0; or (n, classes), shares of classes, or logits of which the softmax is meant.
        step_size: learning rate of networks at the start.
        space: whether `images` are pixels, or normalised as networks shall see them.
        normalization: what takes pixels to what networks see, as a pair (means, standard deviations) of channels, or as
            `seqmatch.data.normalization.fit_whitening(training_images, 0.1)` gives it for the usual whitening. Without,
            networks see pixels as they are; of normalised images it is then unknown, and no raw image can be tested.
        class_names: by default numbers.
        evaluation: how networks are trained on it; by default as the usual protocol: SGD with momentum 0.9, weight
            decay 5e-4, 1000 epochs, a tenth of the step size from the half on.
        augmentation: DSA operations, one for each batch; leave out `flip` for digits, give () for none.
        architecture: of networks that `evaluate` makes where it is given none; by default a ConvNet of three blocks.
        name: shown with it.

    Raises:
        SeqmatchError: something has not the type, shape or range that it needs.
    """
    found = external.tensors(images, labels, step_size)
    if found.step_size is None:
        raise SeqmatchError("step_size: expected the learning rate of networks, found none")
    if space not in ("pixels", "normalized"):
        raise SeqmatchError(f"space = {space!r}: expected pixels or normalized")
    if doubt := external.doubt(found.images, space):
        warnings.warn(doubt, stacklevel=2)
    if isinstance(augmentation, str) or not isinstance(augmentation, Iterable):
        raise SeqmatchError(f'augmentation: expected operations, as ["crop"], or [] for none, found {augmentation!r}')
    if unknown := [operation for operation in augmentation if operation not in DSA]:
        raise SeqmatchError(f"augmentation: expected operations, found {unknown[0]!r}; {allowed(unknown[0], DSA)}")
    channels, soft = found.images.shape[1], found.labels.is_floating_point()
    classes = found.labels.shape[1] if soft else int(found.labels.max()) + 1
    if class_names is None and not soft and len(found.labels.unique()) < classes:
        raise SeqmatchError(
            f"labels: up to {classes - 1}, but not each class has an image; do they count from 0? Where a class has "
            "none, give `class_names`"
        )
    if isinstance(class_names, str | set) or not isinstance(class_names, Iterable | None):
        raise SeqmatchError(f"class_names: expected the names in their order, found {type(class_names).__name__}")
    names = tuple(map(str, range(classes) if class_names is None else class_names))
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise SeqmatchError(f"class_names: {twice[0]!r} is there twice")
    if len(names) < classes or (soft and len(names) != classes):
        from_zero = "" if soft or int(found.labels.min()) == 0 else "; do labels count from 0?"
        raise SeqmatchError(f"class_names: expected {classes}, as labels tell, found {len(names)}{from_zero}")
    for value, kind in ((evaluation, config.Evaluation), (architecture, config.Architecture)):
        if not isinstance(value, kind | None):
            named = kind.__name__.lower()
            raise SeqmatchError(f"{named}: expected seqmatch.config.{kind.__name__}(…), found {type(value).__name__}")
    if normalization is not None:
        normalization = checked(normalization, tuple(found.images.shape[1:]))
    elif space == "pixels":
        normalization = identity(channels)
    seen = found.images.clone() if space == "normalized" else normalization.apply(found.images)
    hard = found.labels.argmax(1) if soft else found.labels.clone()
    subset = Subset(seen, hard, float(found.step_size), soft_labels=found.labels if soft else None)
    return Distilled(
        subsets=(subset,),
        normalization=normalization,
        class_names=names,
        evaluation=evaluation or config.Evaluation(),
        augmentation=tuple(augmentation),
        architecture=architecture or config.Architecture(family="convnet"),
        about={"name": str(name), "unnamed": class_names is None},
        pictures=(pixels_of(subset, normalization),) if normalization else (),
    )
