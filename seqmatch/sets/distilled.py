"""A distilled set as one object: its subsets in order, and all that is needed to train on it."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils.data import TensorDataset

from seqmatch import config
from seqmatch.config.faults import explain
from seqmatch.data.arrays import tensor_of
from seqmatch.data.normalization import (
    Fingerprint,
    Given,
    Normalization,
    Standardization,
    Whitening,
    checked,
    fit_whitening,
    from_tensors,
)
from seqmatch.errors import SeqmatchError, printable
from seqmatch.files import kinds
from seqmatch.files.store import load_header, load_table, open_tensors, replacing
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.sets.index import path_of
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.parameterisations import PIXELS
from seqmatch.synthetic.subset import Subset, pixels_of, subset_of
from seqmatch.training.loop import Stage

ROUNDING = 1e-5
"""How far pixels may leave [0, 1], as resizing leaves them."""

SUBSET_FILE, SEED_FOLDER = re.compile(r"subset(\d+)\.safetensors"), re.compile(r"seed(\d+)")


@dataclass(frozen=True, repr=False, eq=False)
class Distilled:
    """A distilled set: K subsets, and how networks learn from them."""

    subsets: tuple[Subset, ...]
    normalization: Normalization | None
    """`apply` takes raw images (N, C, H, W) to what networks see; `invert` takes these back to [0, 1]. None where it is
    not at hand: `refit` fits it anew."""
    class_names: tuple[str, ...]
    evaluation: config.Evaluation
    """How networks are trained on it: the protocol that it was evaluated under."""
    augmentation: tuple[str, ...]
    """DSA operations of its data set; `evaluation.augmentation` takes their place."""
    architecture: config.Architecture
    """Of the networks that it was evaluated on."""
    about: dict[str, Any] = field(default_factory=dict)
    """How it was made: the header of the last subset's file, and what was `distilled` for each under `subsets`."""
    pictures: tuple[Tensor, ...] = ()
    """The stored images of each subset to look at, uint8; none where they are not known."""
    accuracies: tuple[kinds.MeasuredAccuracy, ...] = ()
    """What its makers measured, on the architecture that it was distilled with first."""
    fingerprint: Fingerprint | None = None
    """What the whitening of its images is known by, if they are whitened."""

    def __post_init__(self):
        if self.fingerprint is None and isinstance(self.normalization, Whitening):
            object.__setattr__(self, "fingerprint", self.normalization.fingerprint)

    @property
    def stages(self) -> list[Stage]:
        """What networks learn from, one stage after the other: decoded images, labels and step size of each."""
        return make_curriculum(self.subsets, self.evaluation)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image as networks see it."""
        return self.subsets[0].shape

    @property
    def numbers(self) -> int:
        """Numbers that are stored of it, class labels and step sizes aside."""
        return sum(subset.numbers for subset in self.subsets)

    @property
    def real(self) -> bool:
        """Whether it holds real images: a subset that nothing moved, and that no other program made."""
        return any(
            subset.get("iteration") == 0 and "reference" not in subset.get("distilled", {}).get("matching", {})
            for subset in self.about.get("subsets", [])
        )

    def dataset(self, stage: int = -1) -> TensorDataset:
        """The normalised images and labels of a stage, from 0; by default of the last, which holds all images."""
        found = self.stages[stage]
        return TensorDataset(found.images, found.labels)

    def pixels(self, stage: int = -1) -> Tensor:
        """The images of a stage to look at: uint8, (N, C, H, W).

        Raises:
            SeqmatchError: how they were normalised is not known.
        """
        if not self.pictures:
            raise SeqmatchError("the pixels of this set are not known: it was given without its normalisation")
        looks = [_look(subset, pixels / 255) for subset, pixels in zip(self.subsets, self.pictures, strict=True)]
        seen = make_curriculum(looks, self.evaluation)[stage].images
        return (seen.clamp(0, 1) * 255).round().to(torch.uint8)

    def normalize(self, images: Tensor | np.ndarray) -> Tensor:
        """Raw images as networks see them: normalised as the images of the set are, float32.

        Args:
            images: (N, C, H, W), uint8 or numbers in [0, 1]; a torch tensor or a NumPy array.

        Raises:
            SeqmatchError: they are not such images, or of another size, or the normalisation is not at hand.
        """
        if self.normalization is None:
            raise SeqmatchError(
                "the images of this set are normalised by statistics that are not at hand"
                + (
                    ": its file tells only what its whitening is known by; set.refit(images), with the images of "
                    "seqmatch.training_images(set), gives the set with it"
                    if self.fingerprint
                    else "; set.with_normalization(…) gives the set with them"
                )
            )
        return self.normalization.apply(raw_images(images, self.shape))

    def refit(self, images: Tensor | np.ndarray) -> "Distilled":
        """The set with its whitening, fitted anew.

        Args:
            images: uint8 (N, C, H, W): all that its data set trains on, in their own order, as
                `seqmatch.training_images(distilled)` gives them.

        Raises:
            SeqmatchError: the set is not whitened, or by other images than these.
        """
        if self.fingerprint is None:
            raise SeqmatchError("this set is not whitened; there is nothing to fit anew")
        images = raw_images(images, self.shape)
        if images.is_floating_point() or not len(images):
            raise SeqmatchError("images: expected uint8, and some: whitening is fitted on images as files hold them")
        found = fit_whitening(images, self.fingerprint.regularization)
        if not self.fingerprint.fits(found):
            raise SeqmatchError(
                f"the images of this set were whitened by other images than these {len(images)}; expected are all "
                "those that its data set trains on, in their own order, without those that were held out: "
                "seqmatch.training_images(set)"
            )
        return self.with_normalization(found)

    def with_normalization(self, normalization: Given) -> "Distilled":
        """The set with what takes pixels to what networks see, where that is not at hand.

        Args:
            normalization: a pair, means and standard deviations of channels; or of images (C, H, W) as the set's, such
                as `fit_whitening(images, 0.1)` of `seqmatch.data.normalization`.

        Raises:
            SeqmatchError: it is none, or of other images.
        """
        normalization = checked(normalization, self.shape)
        if self.fingerprint and not isinstance(normalization, Whitening):
            raise SeqmatchError("normalization: this set is whitened; expected what fit_whitening gives")
        pictures = self.pictures or tuple(pixels_of(subset, normalization) for subset in self.subsets)
        return replace(self, normalization=normalization, pictures=pictures, fingerprint=None)

    def with_evaluation(self, **evaluation: Any) -> "Distilled":
        """The set under another protocol of training: ``distilled.with_evaluation(epochs=25)`` for a quick look.

        Accuracies that were measured under the old one stay behind.

        Args:
            evaluation: keys of the configuration's section `evaluation`, of which the others stay as they are.

        Raises:
            SeqmatchError: names a key that there is not, or a value that cannot be.
        """
        try:
            given = config.Evaluation(**evaluation)
        except ValidationError as error:
            raise SeqmatchError(explain(error.errors(), evaluation, config.Evaluation)) from None
        update = {name: getattr(given, name) for name in evaluation}
        found = self.evaluation.model_copy(update=update)
        return replace(self, evaluation=found, accuracies=self.accuracies if found == self.evaluation else ())

    def __repr__(self) -> str:
        return "\n  ".join(map(printable, _description(self)))


def _look(subset: Subset, pictures: Tensor) -> Subset:
    """The subset with its pictures instead of its images."""
    if subset.parameterisation.arranged:
        return replace(subset, images=pictures)
    labels = subset.labels.repeat_interleave(subset.parameterisation.held)
    return replace(subset, images=pictures, labels=labels, parameterisation=PIXELS, decoder={})


def expect_set(found: object) -> None:
    """Whether it is a set.

    Raises:
        SeqmatchError: it is something else.
    """
    if not isinstance(found, Distilled):
        opens = "; seqmatch.load opens one" if isinstance(found, str | Path) else ""
        raise SeqmatchError(f"expected a set as seqmatch.load gives it, found {type(found).__name__}{opens}")


def raw_images(images: Tensor | np.ndarray, shape: tuple[int, int, int]) -> Tensor:
    """Images as a tensor: uint8, or float32 in [0, 1].

    Args:
        shape: (C, H, W) that each must have.

    Raises:
        SeqmatchError: says what was expected and what was found.
    """
    found = tensor_of(images, "images")
    if found.dim() != 4 or found.shape[1:] != shape:
        last = found.shape[1:] == (*shape[1:], shape[0])
        hint = "; channels come before height and width: images.permute(0, 3, 1, 2)" if last else ""
        raise SeqmatchError(f"images: expected (N, {', '.join(map(str, shape))}), found {tuple(found.shape)}{hint}")
    if found.dtype == torch.uint8:
        return found
    if not found.is_floating_point():
        raise SeqmatchError(f"images: expected uint8, or numbers in [0, 1], found {found.dtype}")
    low, high = (float(found.min()), float(found.max())) if found.numel() else (0.0, 0.0)
    if not -ROUNDING <= low <= high <= 1 + ROUNDING:
        raise SeqmatchError(
            f"images: expected uint8, or numbers in [0, 1], found {low:g} to {high:g}; give images as they are: "
            "seqmatch normalises them itself"
        )
    return found.float()


def _description(distilled: Distilled) -> list[str]:
    """What a person wants to know of a set, in lines."""
    about = distilled.about.get("distilled", {})
    named = [distilled.about["name"]] if "name" in distilled.about else []
    named += [f"{about['method']} on {about['dataset']}"] if {"method", "dataset"} <= about.keys() else []
    named += [f"seed {about['seed']}"] if "seed" in about else []
    named += [about["matching"]["reference"]] if "reference" in about.get("matching", {}) else []
    classes = distilled.class_names
    shown = ", ".join(classes[:4]) + (", …" if len(classes) > 4 else "")
    sizes, steps = zip(*((subset.seen, subset.step_size) for subset in distilled.subsets), strict=True)
    soft = ", soft labels" if distilled.subsets[0].soft_labels is not None else ""
    stored = distilled.subsets[0].parameterisation
    held = "" if stored.name == "pixels" else f", stored as {stored.name} ({distilled.numbers} numbers)"
    lines = [
        f"Distilled set: {', '.join(map(str, named)) or 'from elsewhere'}",
        f"images      {sum(sizes)} of {'×'.join(map(str, distilled.shape))} in {len(classes)} classes ({shown})"
        f"{soft}{held}",
        f"subsets     {len(sizes)}, of {', '.join(map(str, sizes))} images; "
        f"step size{'s' * (len(steps) > 1)} {', '.join(f'{step:.3g}' for step in steps)}",
        f"normalised  {_normalised(distilled)}",
        f"trained     {_trained(distilled)}",
    ]
    if distilled.accuracies:
        first = distilled.accuracies[0]
        spread = "" if first.std is None else f" ± {first.std:.1f}"
        found = "failed" if first.mean is None else f"{first.mean:.1f}{spread} %"
        lines.append(f"accuracy    {found} on test data, {first.networks} networks ({first.architecture})")
    return lines


def _trained(distilled: Distilled) -> str:
    """How networks learn from it."""
    settings, spec = distilled.evaluation, distilled.architecture
    operations = distilled.augmentation if settings.augmentation is None else settings.augmentation
    each = " per stage" if len(distilled.subsets) > 1 else ""
    depth = f", depth {spec.depth}" if spec.family == "convnet" else ""
    network = spec.family if spec.own else f"{spec.family} of width {spec.width}{depth}"
    return (
        f"{settings.epochs} epochs{each} in batches of {settings.batch_size}, augmentation "
        f"{', '.join(operations) or 'none'}; {network}"
    )


def _normalised(distilled: Distilled) -> str:
    if distilled.fingerprint is not None:
        there = "" if distilled.normalization else "; the matrix is not at hand: refit(images)"
        return f"ZCA whitening, regularisation {distilled.fingerprint.regularization:g}{there}"
    match distilled.normalization:
        case Standardization(mean=mean, std=std):
            return "not" if not mean.any() and (std == 1).all() else "mean and standard deviation of each channel"
    return "by statistics that are not at hand"


def load(path: str | Path, seed: int | None = None) -> Distilled:
    """A distilled set from where it lies.

    The real images that it began as, which the workflow's files hold, are left there.

    Args:
        path: the folder of a run (…/ipc10/seed0, or …/ipc10 for the first seed), a subset's file, a file that `save`
            wrote, alone or in a folder, or the name of a set of the index.
        seed: which of the seeds in a folder of several.

    Raises:
        SeqmatchError: there is none, or a file of it is missing or damaged.
    """
    path = Path(path)
    if not path.exists() and path.name == str(path) and not path.suffix:
        path = path_of(str(path))
    path = _of_seed(path, seed)
    folder = path if path.is_dir() else None
    subsets = _subset_files(folder) if folder else []
    if subsets:
        return _of_run(subsets, folder)
    file = _only_file(folder) if folder else path
    if file.suffix == ".npz":
        raise SeqmatchError(f"{file}: arrays of NumPy; load its folder, where `export` wrote the set beside it")
    if file.suffix in (".pt", ".pth"):
        raise SeqmatchError(
            f"{file}: tensors of another program; `seqmatch import` makes a set of them, and in Python "
            "seqmatch.from_files"
        )
    if "subsets" in load_header(file):
        return _whole(file)
    distilled = _of_run([file], file.parent)
    count = distilled.about["distilled"].get("subset_count", 1)
    if count > 1:
        warnings.warn(f"{file}: one of {count} subsets; its folder has all of them", stacklevel=2)
        return replace(distilled, accuracies=())  # these are of all of them
    return distilled


def save(distilled: Distilled, path: str | Path, real: bool = False) -> None:
    """Write a set as one file that `load` reads, without the real images that it began as.

    The matrix of a whitening is in it where the set has it (38 MB for images of 3×32×32, 604 MB for 3×64×64). Without,
    a set is as small as its images: `save(dataclasses.replace(distilled, normalization=None), path)`; who loads it
    calls `refit`.

    Args:
        real: whether its own images may be real ones, as those of `random` are.

    Raises:
        SeqmatchError: they are, and may not; or `path` does not end in .safetensors; or `load` would refuse the file.
        OSError: the file cannot be written.
    """
    expect_set(distilled)
    path = Path(path)
    if path.suffix != ".safetensors":
        raise SeqmatchError(f"{path}: expected a name that ends in .safetensors, as what is written")
    if distilled.real and not real:
        raise SeqmatchError(
            f"{path}: not written: images of this set are real ones, which nothing distilled; save(…, real=True) "
            "writes them, if they may be passed on"
        )
    tensors = {
        f"subset{k}.{name}": tensor.clone()  # subsets may share their labels
        for k, subset in enumerate(distilled.subsets, start=1)
        for name, tensor in subset.tensors().items()
    }
    tensors |= {f"subset{k}.pixels": pixels.clone() for k, pixels in enumerate(distilled.pictures, start=1)}
    normalization = distilled.normalization or distilled.fingerprint
    statistics = {name: tensor.clone() for name, tensor in (normalization.tensors() if normalization else {}).items()}
    header = {
        "normalized": next(name for name, form in kinds.NORMALIZATIONS.items() if form.keys() == statistics.keys()),
        "subsets": [{"parameterisation": subset.parameterisation.name} for subset in distilled.subsets],
        "class_names": list(distilled.class_names),
        "augmentation": list(distilled.augmentation),
        "architecture": distilled.architecture.model_dump(mode="json"),
        "evaluation": distilled.evaluation.model_dump(mode="json"),
        "accuracies": [measured.model_dump(mode="json") for measured in distilled.accuracies],
        "about": _passed_on(distilled.about),
    }
    with replacing(path) as temporary:
        try:
            save_tensors(temporary, tensors | statistics, header)
            _whole(temporary)
        except SeqmatchError as error:
            reason = str(error).removeprefix(f"{temporary}: ").partition("; ")[0]
            raise SeqmatchError(f"{path}: not written: {reason}") from None


def _passed_on(about: dict[str, Any]) -> dict[str, Any]:
    """How a set was made, without the folder that its real images lie in on the machine of its makers."""
    prepared = about.get("prepared", {})
    if not prepared.get("preparation", {}).get("path"):
        return about
    return about | {"prepared": prepared | {"preparation": prepared["preparation"] | {"path": None}}}


def _whole(file: Path) -> Distilled:
    """The set in a file that `save` wrote."""
    header = load_header(file, kinds.SET_HEADER)
    numbers = range(1, len(header["subsets"]) + 1)
    tensors, header = load_tensors(file, kinds.distilled_set(len(numbers), header["normalized"]))
    parts = [kinds.part(tensors, k) for k in numbers]
    names = [subset["parameterisation"] for subset in header["subsets"]]
    pictures = tuple(part["pixels"] for part in parts if "pixels" in part)
    return Distilled(
        subsets=tuple(map(subset_of, parts, names)),
        class_names=tuple(header["class_names"]),
        evaluation=config.Evaluation(**header["evaluation"]),
        augmentation=tuple(header["augmentation"]),
        architecture=config.Architecture(**header["architecture"]),
        about=header["about"],
        pictures=pictures if len(pictures) == len(parts) else (),
        accuracies=tuple(map(kinds.MeasuredAccuracy.model_validate, header["accuracies"])),
        **_normalization(tensors),
    )


def _normalization(tensors: dict[str, Tensor], data: Path | None = None) -> dict[str, Any]:
    """Normalisation and fingerprint among the tensors of a file, or as far as the file of the data set has them."""
    if not {"mean", "zca_matrix", "zca_fingerprint"} & tensors.keys():
        return {"normalization": None}
    found = from_tensors(tensors)
    if not isinstance(found, Fingerprint):
        return {"normalization": found}
    return {"normalization": _whitening(data, found) if data else None, "fingerprint": found}


def _whitening(data: Path, fingerprint: Fingerprint) -> Whitening | None:
    """The whitening in the file of a data set, if that is there and the one."""
    if not data.is_file():
        return None
    with open_tensors(data, kinds.DATASET) as (file, layout):
        tensors = {name: file.get_tensor(name) for name in layout.arrays if name.startswith("zca_")}
    found = from_tensors(tensors, fingerprint.regularization) if "zca_matrix" in tensors else None
    if found is None or not fingerprint.fits(found):
        warnings.warn(f"{data}: not whitened as the set was; was it prepared anew? It is left alone", stacklevel=4)
        return None
    return found


def _of_run(files: Sequence[Path], folder: Path) -> Distilled:
    """The subsets in files of the workflow, and what it keeps beside them."""
    loaded = [load_tensors(file, kinds.WHOLE_SUBSET) for file in files]
    tensors, header = loaded[-1]
    parameters = header["parameters"]
    made = [{name: about[name] for name in ("iteration", "distilled") if name in about} for _, about in loaded]
    parents = folder.resolve().parents
    return Distilled(
        subsets=tuple(subset_of(part, about["parameterisation"]) for part, about in loaded),
        class_names=tuple(header["class_names"]),
        evaluation=config.Evaluation(**parameters["evaluation"]),
        augmentation=tuple(header["augmentation"]),
        architecture=config.Architecture(**parameters["architecture"]),
        about={"distilled": {}, **header, "subsets": made},
        pictures=tuple(part["pixels"] for part, _ in loaded),
        accuracies=_accuracies(folder / "accuracy", parameters.get("architecture_name")),
        **_normalization(tensors, parents[2] / "data.safetensors" if len(parents) > 2 else None),
    )


def _accuracies(folder: Path, own: str | None) -> tuple[kinds.MeasuredAccuracy, ...]:
    """What the workflow measured on each architecture under the main selection, on its own one first."""
    found = []
    for path in sorted(folder.glob("*.csv"), key=lambda path: (path.stem != own, path.stem)):
        table = load_table(path, kinds.Accuracy)
        accuracy = table[table["selection"] == table["selection"].iloc[0]]["accuracy"]
        found_of = (accuracy.mean(skipna=False), accuracy.std(skipna=False))
        mean, std = (None if np.isnan(value) else round(float(value), 4) for value in found_of)
        about = {"architecture": path.stem, "mean": mean, "std": std, "networks": len(accuracy)}
        found.append(kinds.MeasuredAccuracy(**about))
    return tuple(found)


def _of_seed(folder: Path, seed: int | None) -> Path:
    """The folder of a seed within that of a run, or what was given if it has none.

    Raises:
        SeqmatchError: a seed is chosen that it has not.
    """
    seeds = {int(SEED_FOLDER.fullmatch(path.name)[1]): path for path in folder.glob("seed*") if _is_seed(path)}
    if not seeds:
        if seed is not None:
            raise SeqmatchError(f"{folder}: not a folder of several seeds; leave out seed = {seed}")
        return folder
    if seed is None and len(seeds) > 1:
        numbers = ", ".join(map(str, sorted(seeds)))
        warnings.warn(f"{folder}: has seeds {numbers}; the first is taken; `seed` chooses", stacklevel=3)
    chosen = min(seeds) if seed is None else seed
    if chosen not in seeds:
        raise SeqmatchError(f"{folder}: there is no seed {seed}; there are {', '.join(map(str, sorted(seeds)))}")
    return seeds[chosen]


def _is_seed(path: Path) -> bool:
    return SEED_FOLDER.fullmatch(path.name) is not None and path.is_dir()


def _subset_files(folder: Path) -> list[Path]:
    """The files of the subsets in the folder of a run, in order."""
    numbered = {int(match[1]): path for path in folder.iterdir() if (match := SUBSET_FILE.fullmatch(path.name))}
    if not numbered:
        return []
    first = numbered.get(1) or numbered[min(numbered)]
    count = load_header(first, kinds.WHOLE_SUBSET).get("distilled", {}).get("subset_count", max(numbered))
    missing = [k for k in range(1, count + 1) if k not in numbered]
    if missing:
        raise SeqmatchError(
            f"{folder / f'subset{missing[0]}.safetensors'}: there is no such file; this set has {count} subsets: run "
            "the workflow to its end"
        )
    return [numbered[k] for k in range(1, count + 1)]


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise SeqmatchError(
            f"{folder}: no distilled set is there: expected subset1.safetensors and so on, or folders seed0 and so on, "
            f"or one file of a set; found {len(files)} files *.safetensors"
        )
    return files[0]
