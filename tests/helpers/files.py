"""A small file of every kind, as the workflow writes it, all of one tiny experiment."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import torch
from helpers.tiny import ROOT, labelled, normal

from seqmatch.config import Architecture, Evaluation
from seqmatch.data import dataset
from seqmatch.data.normalization import fit_standardization, fit_whitening
from seqmatch.files.store import save_table
from seqmatch.files.tensors import save_tensors
from seqmatch.sets.distilled import Distilled, save
from seqmatch.synthetic.snapshots import Snapshots, save_snapshots
from seqmatch.synthetic.subset import Subset, save_subset
from seqmatch.training.experts import save_shard

RUN = {"dataset": "d", "method": "mtt", "ipc": "4", "seed": 0}
CLASSES = ("a", "b", "c")
ARCHITECTURE = '{"family": "convnet", "width": 4, "depth": 1}'
PARAMETERS = 40 + 8 + 4 * 16 * 3 + 3
"""Of that network on images of 8×8 grey pixels: convolution, normalisation, linear layer."""


def table(**columns):
    """Rows of the run; a single value stands in each of them."""
    return pd.DataFrame({**RUN, **columns})


CELL = {"dataset": ["d"], "ipc": ["4"], "method": ["mtt"], "K": [1]}
MEANS = {
    "selection": ["last"],
    "accuracy_mean": [50.0],
    "accuracy_std": [None],
    "accuracy_failed": [0],
    "networks": [1],
    "seeds": [1],
    "selected_on": [0],
    "undistilled": [0],
    "stored_numbers": [768],
    "image_numbers": [768],
}
TABLES = {
    "scores": pd.DataFrame({"network": [0, 0], "snapshot": [0, 1], "iteration": [0, 2], "step_size": [0.1, 0.2],
                            "validation": [50.0, 60.0], "test": [50.0, 60.0]}),
    "accuracies": table(K=[1, 1], matched_on="c", architecture="c", selection="last", network=[0, 1],
                        accuracy=[50.0, 51.5], seconds=1.0, selected_on=0, undistilled=0,
                        stored_numbers=768, image_numbers=768),
    "baselines": table(baseline="random", labels="class", network=[0, 1], accuracy=[40.0, 41.0], seconds=1.0),
    "convergence": table(subset=[1, 1], quantity=["matching_loss", "step_size"], iteration=[0.0, 0.0], window=1,
                         value=[0.5, 0.1]),
    "common_difficulty": table(stage=1, difficulty=["easy", "hard"], mean_loss=[0.5, 1.0]),
    "difficulty": table(network=[0, 0], stage=1, epoch=0, difficulty=["easy", "hard"], share=0.5, mean_loss=[0.5, 1.0]),
    "losses-table": table(bin=[0, 0, 1, 1], difficulty=["hard", "hard", "easy", "easy"], images=4, stage=1,
                          epoch=[0, 1, 0, 1], mean_loss=[2.0, 1.0, 0.5, 0.2]),
    "coupling": table(half=["larger", "smaller"], network=0, images=2, amplification=[2.0, 1.0], accuracy=50.0),
    "stages": table(curriculum=["union", "subset"], network=0, stages=1, accuracy=50.0),
    "resources": pd.DataFrame({"dataset": ["d"], "rule": ["evaluate"], "job": ["j"], "seconds": [1.0],
                               "cpu_seconds": [None], "memory_mib": [9.0], "disk_mb": [0.1]}),
    "methods": pd.DataFrame({**CELL, "architecture": ["c"], **MEANS, "std_within_seeds": [None],
                             "std_between_seeds": [None], "last_mean": [50.0], "last_std": [None],
                             "last_failed": [0], "p_best": [None], "test_selected_mean": [None],
                             "test_selected_std": [None], "test_selected_failed": [0]}),
    "architectures": pd.DataFrame({**CELL, "matched_on": ["c"], "architecture": ["c"], **MEANS, "p_best": [None]}),
    "comparison": pd.DataFrame({**CELL, "baseline": ["dm"], "difference": [1.5], "low": [None], "high": [None],
                                "p": [None], "q": [None], "unit": ["networks"], "seeds": [1], "pairs": [1],
                                "failed": [0]}),
}  # fmt: skip


def write_all(folder: Path) -> None:
    """One file of every kind in `folder`, called as it is."""
    images, labels = labelled()
    raw = torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    train, others = torch.tensor([0, 1, 4, 5, 8, 9]), torch.tensor([2, 6, 10])
    splits = {"train": train, "validation": others, "test": others + 1}
    statistics = fit_standardization(raw)
    about = {"parameters": RUN | {"subset": 1}, "class_names": CLASSES}
    snapshots = Snapshots(
        iterations=torch.tensor([0, 2]),
        images=torch.stack([images, images]),
        step_sizes=torch.tensor([0.1, 0.2], dtype=torch.float64),
        labels=labels,
        matching_losses=torch.tensor([1.0, 0.5], dtype=torch.float64),
        step_size_course=torch.tensor([0.1, 0.2], dtype=torch.float64),
    )
    soft = normal(12, 3).softmax(1)
    record = {"losses": normal(2, 2, 6).abs(), "epochs": torch.tensor([0, 2]), "stages": torch.tensor([1, 1])}
    experts = [normal(3, PARAMETERS, name=str(index)) for index in range(2)]
    dataset.save(folder / "data", dataset.Dataset(raw, labels, splits, CLASSES, statistics, ("crop",)), {})
    save_subset(folder / "subset", *[Subset(images, labels, 0.1)] * 2, statistics, about)
    whitening = fit_whitening(raw, 0.1)
    save_subset(folder / "whitened", *[Subset(images, labels, 0.1)] * 2, whitening, about)
    subset, learner = Subset(images, labels, 0.1, soft_labels=soft), Architecture.model_validate_json(ARCHITECTURE)
    distilled = Distilled((subset,), whitening, CLASSES, Evaluation(), ("crop",), learner, pictures=(raw,))
    save(distilled, folder / "set.safetensors")
    (folder / "set.safetensors").rename(folder / "set")  # as the others are named
    save_subset(folder / "soft", *[Subset(images, labels, 0.1, soft_labels=soft)] * 2, statistics, about)
    save_snapshots(folder / "snapshots", snapshots, about)
    save_shard(folder / "experts", experts, {})
    save_shard(folder / "half", experts, {}, "float16")
    save_tensors(folder / "losses", record, about)
    for name, rows in TABLES.items():
        save_table(folder / f"{name}.csv", rows, {"device": "cpu", "versions": {"torch": "2"}})
    (folder / "file").write_bytes(b"content")
    (folder / "files.json").write_text(json.dumps({"file": hashlib.sha256(b"content").hexdigest()}))
    (folder / "benchmark.tsv").write_text("s\th:m:s\tmax_rss\tcpu_time\n1.5\t0:00:01\t9.5\t-\n")
    published = (ROOT / "resources/published_results.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "published.csv").write_text("".join(published[:9]), encoding="utf-8")
