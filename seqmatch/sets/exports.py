"""A distilled set in the formats of others, each a folder with a card.

Besides the files of its format, every folder holds the set itself, `set.safetensors`, which `seqmatch.load` reads from
the folder. All but the image folder hold the numbers that networks learn from, to the bit; its PNGs are rounded to 256
levels and clipped. The real images that a set began as are in none of them.
"""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from seqmatch.errors import SeqmatchError, allowed
from seqmatch.files.store import named, save_text
from seqmatch.files.temporary import temporary_folder
from seqmatch.sets.card import card, source_of
from seqmatch.sets.distilled import Distilled, expect_set, save
from seqmatch.sets.formats import FORMATS, IN_EVERY, SET


@dataclass(frozen=True)
class Rows:
    """The images of a set as networks see them, subset after subset."""

    images: Tensor
    """Normalised, float32, (N, C, H, W)."""
    labels: Tensor
    """int64, (N,)."""
    soft_labels: Tensor | None
    """Shares of classes that networks learn instead, float32, (N, classes)."""
    subsets: Tensor
    """Which subset each is of, from 1: int64, (N,)."""
    step_sizes: Tensor
    """At the start of the stage of each subset, float64, (K,)."""

    @property
    def learned(self) -> Tensor:
        """The labels that networks learn."""
        return self.labels if self.soft_labels is None else self.soft_labels


def export(distilled: Distilled, place: str | Path, format: str, name: str | None = None, real: bool = False) -> None:
    """Write a set in the format of others, into a new folder.

    Args:
        format: one of `FORMATS`.
        name: of the set, for its card; by default from its header.
        real: whether its own images may be real ones, as those of `random` are.

    Raises:
        SeqmatchError: there is no such format, the folder is there already, the format cannot hold the set, or its
            images are real ones and may not be.
        OSError: it cannot be written; then there is no folder.
    """
    expect_set(distilled)
    place = Path(place)
    if format not in FORMATS:
        raise SeqmatchError(f"format = {format}: unknown; {allowed(format, FORMATS)}")
    if place.is_symlink() or (place.exists() and (not place.is_dir() or any(place.iterdir()) or place.samefile("."))):
        raise SeqmatchError(f"{place}: is there already, and is left alone; name a new folder")
    form = FORMATS[format]
    configs = {"configs": [{"config_name": "default", "data_files": [{"split": "train", "path": form.data_files}]}]}
    with named(place), temporary_folder(place.parent, place.name) as folder:
        made = folder / "export"
        made.mkdir()
        save(distilled, made / SET, real=real)
        WRITERS[format](distilled, rows_of(distilled), made)
        text = card(distilled, name or name_of(distilled), form.contents + IN_EVERY, configs if form.data_files else {})
        save_text(made / "README.md", text)
        made.replace(place)


def name_of(distilled: Distilled) -> str:
    """A name made of what the header of a set tells."""
    made = distilled.about.get("distilled", {})
    if "name" in distilled.about:
        return str(distilled.about["name"])
    parts = [made.get("dataset") or source_of(distilled), made.get("method"), made.get("ipc")]
    return "-".join([*map(str, parts[:2]), f"ipc{parts[2]}"]) if all(parts) else "distilled-set"


def rows_of(distilled: Distilled) -> Rows:
    """What networks learn from, decoded, one row for each image."""
    images, labels, soft_labels, subsets = [], [], [], []
    for k, subset in enumerate(distilled.subsets, start=1):
        decoded = subset.decoded()[0]
        images.append(decoded)
        labels.append(subset.labels.repeat_interleave(subset.parameterisation.held))
        soft_labels.append(subset.soft_labels)
        subsets.append(torch.full((len(decoded),), k))
    return Rows(
        torch.cat(images),
        torch.cat(labels),
        None if any(part is None for part in soft_labels) else torch.cat(soft_labels),
        torch.cat(subsets),
        torch.tensor([stage.step_size for stage in distilled.stages], dtype=torch.float64),
    )


def _pixels(distilled: Distilled) -> np.ndarray:
    """All images to look at, in the order of `Rows`: uint8, (N, H, W) or (N, H, W, 3)."""
    union = replace(distilled, evaluation=distilled.evaluation.model_copy(update={"curriculum": "union"}))
    return union.pixels().permute(0, 2, 3, 1).squeeze(3).numpy()


def _metadata(distilled: Distilled, rows: Rows) -> pd.DataFrame:
    """What is told of each image beside it."""
    table = pd.DataFrame(
        {
            "subset": rows.subsets.numpy(),
            "label": rows.labels.numpy(),
            "class": [distilled.class_names[label] for label in rows.labels],
            "step_size": rows.step_sizes[rows.subsets - 1].numpy(),
        }
    )
    return table if rows.soft_labels is None else table.assign(soft_label=rows.soft_labels.tolist())


def _write_imagefolder(distilled: Distilled, rows: Rows, place: Path) -> None:
    """Folders whose order by name is that of the labels, as torchvision's `ImageFolder` takes it."""
    table = _metadata(distilled, rows)
    digits = len(str(max(len(table), len(distilled.class_names))))
    names = [
        f"{label:0{digits}}/{index:0{digits}}-s{subset}.png"
        for index, (label, subset) in enumerate(zip(table["label"], table["subset"], strict=True))
    ]
    table.insert(0, "file_name", names)
    for name, pixels in zip(names, _pixels(distilled), strict=True):
        (place / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / "train" / name)
    if rows.soft_labels is None:
        table.to_csv(place / "train/metadata.csv", index=False)
    else:  # lists do not fit into CSV
        lines = [json.dumps(row, ensure_ascii=False) for row in table.to_dict("records")]
        save_text(place / "train/metadata.jsonl", "\n".join(lines) + "\n")


def _write_parquet(distilled: Distilled, rows: Rows, place: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise SeqmatchError("format = parquet: needs the package pyarrow; pip install 'seqmatch[parquet]'") from None
    table = _metadata(distilled, rows).drop(columns="class")
    numbers = pa.list_(pa.list_(pa.list_(pa.float32())))
    columns: dict[str, Any] = {"normalised": pa.array(rows.images.tolist(), numbers)}
    features: dict[str, Any] = {
        "normalised": {"shape": list(rows.images.shape[1:]), "dtype": "float32", "_type": "Array3D"}
    }
    if distilled.pictures:
        picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns["image"] = pa.array([{"bytes": _png(pixels), "path": None} for pixels in _pixels(distilled)], picture)
        features["image"] = {"_type": "Image"}
    for name, dtype in (("label", pa.int64()), ("subset", pa.int64()), ("step_size", pa.float64())):
        columns[name] = pa.array(table[name], dtype)
        features[name] = {"dtype": str(dtype).replace("double", "float64"), "_type": "Value"}
    features["label"] = {"names": list(distilled.class_names), "_type": "ClassLabel"}
    if rows.soft_labels is not None:
        columns["soft_label"] = pa.array(rows.soft_labels.tolist(), pa.list_(pa.float32()))
        features["soft_label"] = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    (place / "data").mkdir()
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), place / "data/train.parquet")


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def _write_npz(distilled: Distilled, rows: Rows, place: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in vars(rows).items() if tensor is not None}
    known = distilled.normalization.tensors() if distilled.normalization else {}
    arrays |= {name: tensor.numpy() for name, tensor in known.items()}
    np.savez_compressed(place / "set.npz", class_names=np.array(distilled.class_names), **arrays)


def _write_pt(distilled: Distilled, rows: Rows, place: Path) -> None:
    _save_each(place, images=rows.images, labels=rows.learned, subsets=rows.subsets, lr=rows.step_sizes.float())


def _write_dd_ranking(distilled: Distilled, rows: Rows, place: Path) -> None:
    """Class after class: where no labels are given, DD-Ranking takes them so."""
    order = rows.labels.argsort(stable=True)
    _save_each(place, images=rows.images[order], labels=rows.learned[order], lr=rows.step_sizes[-1].float())


def _save_each(place: Path, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        torch.save(tensor.clone(), place / f"{name}.pt")  # a part of a larger tensor would be saved with all of that


WRITERS = {
    "imagefolder": _write_imagefolder,
    "parquet": _write_parquet,
    "npz": _write_npz,
    "pt": _write_pt,
    "dd-ranking": _write_dd_ranking,
}
"""Of each format; `seqmatch.sets.formats` tells of them."""
