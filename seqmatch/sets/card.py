"""The card of a distilled set: what it is, how it was made, how to train on it, whose the images were.

A README.md with front matter that the Hugging Face Hub understands. All of it is taken from the set itself.
"""

import textwrap
from typing import Any

import yaml

from seqmatch.data.normalization import Standardization
from seqmatch.errors import number
from seqmatch.sets.distilled import Distilled
from seqmatch.sets.licences import Licence, licence_of

PAPER = """@inproceedings{du2023sequential,
  title     = {Sequential Subset Matching for Dataset Distillation},
  author    = {Du, Jiawei and Shi, Qin and Zhou, Joey Tianyi},
  booktitle = {Advances in Neural Information Processing Systems 36},
  year      = {2023},
}"""
"""As CITATION.cff has it."""

TRAINING = """\
import seqmatch

distilled = seqmatch.load("path/of/this/folder")
network = seqmatch.train(my_module, distilled)  # any torch.nn.Module
print(seqmatch.evaluate(distilled, test_images, test_labels))  # raw images, uint8: seqmatch normalises them"""

SIZES = {1000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
"""The Hub's words for numbers of images, by what these are below."""

MARKED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#"})


def source_of(distilled: Distilled) -> str | None:
    """The source of the real images, where the set tells."""
    return distilled.about.get("prepared", {}).get("preparation", {}).get("source")


def card(distilled: Distilled, name: str, contents: str, front_matter: dict[str, Any]) -> str:
    """The text of a card.

    Args:
        name: of the set.
        contents: what lies beside the card, and how any program reads it: Markdown.
        front_matter: for the Hub, besides what every card has.
    """
    licence = licence_of(source_of(distilled))
    sections = {
        "": _opening(distilled, licence),
        "What is in it": contents,
        "How it was made": _table(_made(distilled)),
        "What it is worth": _worth(distilled),
        "How to train on it": _training(distilled),
        "Whose the real images are": _owners(licence),
        "Citation": f"The method:\n\n```bibtex\n{PAPER}\n```\n\nThe program: `seqmatch`, its file CITATION.cff.",
    }
    text = "\n\n".join(f"## {title}\n\n{body}" if title else body for title, body in sections.items())
    head = yaml.safe_dump(_front_matter(distilled, name, licence) | front_matter, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n# {name.translate(MARKED)}\n\n{text}\n"


def _front_matter(distilled: Distilled, name: str, licence: Licence) -> dict[str, Any]:
    count = _count(distilled)
    size = next((words for below, words in SIZES.items() if count < below), "n>1M")
    about: dict[str, Any] = {"pretty_name": name, "license": licence.identifier}
    if licence.identifier == "other":
        about["license_name"] = "terms-of-the-real-images"
    return about | {
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["dataset-distillation", "synthetic", "seqmatch"],
    }


def _opening(distilled: Distilled, licence: Licence) -> str:
    channels, height, width = distilled.shape
    form = f"{height}×{width} pixels, {'grey' if channels == 1 else 'in colour'}"
    count, classes = _count(distilled), len(distilled.class_names)
    return _filled(
        f"A distilled data set: {count} synthetic images of {form}, in {classes} classes, in "
        f"{number(len(distilled.subsets), 'subset')}. Networks learn from these instead of the real images that "
        f"they were made from ({licence.title})."
    )


def _made(distilled: Distilled) -> dict[str, Any]:
    about = distilled.about
    made = about.get("distilled", {})
    steps = ", ".join(f"{subset.step_size:.6g}" for subset in distilled.subsets)
    versions = ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())
    found = {
        "method": made.get("method"),
        "data set": made.get("dataset"),
        "images per class": made.get("ipc"),
        "subsets (K)": len(distilled.subsets),
        "what was matched": made.get("objective"),
        "iterations, by subset": _iterations(about),
        "seed": made.get("seed"),
        "distilled with": _architecture(made["architecture"]) if "architecture" in made else None,
        "step sizes, by subset": steps,
        "normalised": _normalised(distilled),
        "classes": ", ".join(distilled.class_names[:20]) + (", …" if len(distilled.class_names) > 20 else ""),
        "versions": versions or None,
    }
    return {name: "unknown" if value is None else value for name, value in found.items()}


def _iterations(about: dict[str, Any]) -> str | None:
    made = about.get("distilled", {})
    subsets = about.get("subsets") or [made]
    found = [subset.get("distilled", made).get("matching", {}).get("iterations") for subset in subsets]
    return None if None in found else ", ".join(map(str, found))


def _architecture(section: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in section.items() if value not in ({}, None))


def _normalised(distilled: Distilled) -> str:
    if distilled.fingerprint is not None:
        return f"ZCA whitening, regularisation {distilled.fingerprint.regularization:g}"
    if isinstance(distilled.normalization, Standardization):
        mean, std = (
            ", ".join(f"{number:.6g}" for number in numbers.tolist())
            for numbers in (distilled.normalization.mean, distilled.normalization.std)
        )
        return f"(pixel / 255 − mean) / std, by channel: mean {mean}; std {std}"
    return "by statistics that are not in the set"


def _worth(distilled: Distilled) -> str:
    if not distilled.accuracies:
        return "Its accuracy was not measured, or is not known here. `seqmatch.evaluate` measures it."
    rows = [
        f"| {found.architecture.translate(MARKED)} | {_percent(found.mean, found.std)} | {found.networks} |"
        for found in distilled.accuracies
    ]
    head = "Accuracy on real test images, mean ± standard deviation over networks that learned from this set alone:"
    return "\n".join([head, "", "| architecture | accuracy, % | networks |", "| --- | --- | --- |", *rows])


def _percent(mean: float | None, std: float | None) -> str:
    return "failed" if mean is None else f"{mean:.2f}" + ("" if std is None else f" ± {std:.2f}")


def _training(distilled: Distilled) -> str:
    settings = distilled.evaluation
    stages = (
        "networks learn from the first subset, then from the first and the second, and so on"
        if settings.curriculum == "union"
        else "networks learn from one subset after the other"
    )
    decays = ", ".join(f"{share:g}" for share in settings.decay_at)
    decay = f", times {settings.decay_factor:g} at {decays} of the epochs" if decays else ""
    learned = {"own": "at the step size of the subset that is new", "first": "at the step size of the first subset"}
    rate = learned[settings.step_sizes] if settings.learning_rate is None else f"at {settings.learning_rate:g}"
    restart = "begins anew with each subset" if settings.momentum_restarts else "goes on from one subset to the next"
    restart += ", and begins anew where the rate decays" if settings.decay_restarts and decays else ""
    operations = distilled.augmentation if settings.augmentation is None else settings.augmentation
    without = (
        f"Without `seqmatch`: {stages}: {settings.epochs} epochs each time, SGD with momentum {settings.momentum:g}, "
        f"weight decay {settings.weight_decay:g}, minibatches of {settings.batch_size}, {rate}{decay}; each minibatch "
        f"is augmented by DSA ({', '.join(operations) or 'no operations'}"
        f"{', CutMix' if settings.cutmix else ''}). Momentum {restart}."
    )
    return f"```python\n{TRAINING}\n```\n\n{_filled(without)}"


def _owners(licence: Licence) -> str:
    table = _table(
        {"data set": licence.title, "by": licence.makers, "licence": licence.name, "according to": licence.where}
    )
    return (
        table
        + "\n\n"
        + _filled(
            "The images here were made from those, and can resemble them. What that means for their own licence is not "
            "settled; take the licence of the real images for theirs."
        )
    )


def _table(rows: dict[str, Any]) -> str:
    lines = [f"| {name} | {str(value).translate(MARKED)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _count(distilled: Distilled) -> int:
    return sum(subset.seen for subset in distilled.subsets)


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
