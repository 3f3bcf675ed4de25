"""The formats that a set can be written in for others, as a card tells of them. Imports no torch."""

from dataclasses import dataclass

SET = "set.safetensors"


@dataclass(frozen=True)
class Format:
    """What a format is, for people."""

    summary: str
    contents: str
    """What is in its files, and how any program reads them: Markdown, for the card."""
    data_files: str | None = None
    """Those that the `datasets` library opens."""


IN_EVERY = f"""
`{SET}` is the whole set in the format of `seqmatch`, with its normalisation as far as it is known, and how
networks are trained on it. The real images that the set began as are not here."""

FORMATS = {
    "imagefolder": Format(
        "PNG files in folders by class, with a table of what each is; rounded",
        """\
`train/<label>/*.png`, and `train/metadata.csv` (`metadata.jsonl` with soft labels): for each image its subset, label,
class and step size. **The PNGs lose something**: what networks learned from are numbers that no PNG can hold; here they
are rounded to 256 levels, and clipped to black and white. Accuracies differ a little from those below.

```python
from datasets import load_dataset

images = load_dataset("imagefolder", data_dir="path/of/this/folder", split="train")
```
""",
        "train/**",
    ),
    "parquet": Format(
        "one table with numbers and pictures, for the `datasets` library",
        """\
`data/train.parquet`: for each image the numbers that networks learn from (`normalised`, float32, to the bit), a picture
to look at (`image`, rounded), `label`, `subset`, and the step size of that subset; `soft_label` where networks learn it
instead.

```python
from datasets import load_dataset

images = load_dataset("parquet", data_dir="path/of/this/folder/data", split="train").with_format("torch")
```
""",
        "data/train.parquet",
    ),
    "npz": Format(
        "NumPy arrays in one file",
        """\
`set.npz`: `images` (float32, N×C×H×W, normalised, to the bit), `labels`, `subsets` (from 1), `step_sizes` (one per
subset), `class_names`; `soft_labels` where networks learn these instead; `mean` and `std`, or `zca_mean` and
`zca_matrix`, the normalisation where the set has it.

```python
import numpy

arrays = numpy.load("path/of/this/folder/set.npz")
```
""",
    ),
    "pt": Format(
        "tensors, as published code of trajectory matching keeps them",
        """\
Tensors, as published code of trajectory matching keeps them: `images.pt` (float32, N×C×H×W, normalised, to the bit),
`labels.pt` (int64; float32 N×classes where they are soft), `lr.pt` (the step size of each subset), and `subsets.pt`
(which subset each image is of, from 1).

```python
import torch

images = torch.load("path/of/this/folder/images.pt", weights_only=True)
```
""",
    ),
    "dd-ranking": Format(
        "tensors as DD-Ranking takes them, class after class",
        """\
Tensors as DD-Ranking takes them: `images.pt` (float32, N×C×H×W, normalised, to the bit), `labels.pt` (int64; float32
N×classes where they are soft), class after class, and `lr.pt`, the step size of the last subset. DD-Ranking trains on
all images at once, without subsets one after the other: of a set of several subsets it measures something else than is
told below. It normalises test images itself, by statistics of its own.

```python
import torch
from ddranking.metrics import LabelRobustScoreHard

images, labels, lr = (torch.load(f"{name}.pt", weights_only=True) for name in ("images", "labels", "lr"))
print(LabelRobustScoreHard(config).compute_metrics(image_tensor=images, hard_labels=labels, syn_lr=lr))
```
""",
    ),
}
"""By the name that `format` gives."""
