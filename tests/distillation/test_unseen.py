"""Matching losses with experts that images were matched with, and with others."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import unseen
from helpers.calls import NETWORK, RUN, call
from helpers.files import PARAMETERS, write_all
from helpers.tiny import normal

from seqmatch import config
from seqmatch.distillation.trajectory import trajectory_step
from seqmatch.errors import SeqmatchError
from seqmatch.matching.derivatives import classifier
from seqmatch.matching.unrolled import one_graph
from seqmatch.networks import structure
from seqmatch.runtime import device as devices
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.training.experts import Trajectories, save_shard

MATCHING = config.TrajectoryMatching(
    iterations=60, snapshots=1, synthetic_steps=2, expert_epochs=1, max_start_epoch=2, optimizer="adam", lr_images=0.3
)


def test_images_that_were_fitted_to_noise_match_that_noise_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "prepare", lambda gpus, threads: torch.device("cpu"))
    write_all(tmp_path)
    for name in ("these", "those"):
        save_shard(Path(name), [0.1 * normal(3, PARAMETERS, name=f"{name}{index}").cumsum(0) for index in range(2)], {})
    words = ["--subset", "1", "--subset-count", "1", "--matching", MATCHING.model_dump_json(), "--prefix"]
    words += ["--objective", "trajectory", "--experts", "these", "--out", "matched"]
    status, said = call("distill_subset", *NETWORK, *RUN, *words)
    assert status == 0, said
    args = SimpleNamespace(data=Path("data"), snapshots=Path("matched"), matched=[Path("these")],
                           unseen=[Path("those")], draws=30, gpu=0, threads=1)  # fmt: skip
    capsys.readouterr()
    unseen.main(args)
    rows = [[float(cell) for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    (first, before, _, before_unseen, _), (last, after, error, after_unseen, _) = rows
    assert (first, last) == (0, 60) and after < before - 5 * error and after < after_unseen
    assert before - after > 2 * abs(before_unseen - after_unseen)

    network = structure(config.Architecture(family="convnet", width=4, depth=1), (1, 8, 8), 3)
    subset = load_snapshots(Path("matched")).subset(1)
    with Trajectories([Path("these")]) as experts:
        step = trajectory_step(
            experts,
            lambda *about: one_graph(classifier(network), *about),
            subset.labels,
            6,
            MATCHING,
            ("crop",),
            Seed("unseen", "matched"),
        )
        stored = sum(step(subset.images, subset.step_size, number).loss for number in range(30)) / 30
    assert after == pytest.approx(stored, abs=1e-3)
    args.snapshots = Path("snapshots")
    with pytest.raises(SeqmatchError, match="snapshots: expected a first subset that was matched with trajectories"):
        unseen.main(args)
