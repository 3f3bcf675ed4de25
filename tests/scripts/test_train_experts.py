"""What experts and teachers learn."""

from functools import partial
from pathlib import Path

import torch
import train_experts
from helpers.calls import NETWORK, call
from helpers.files import ARCHITECTURE, RUN, write_all
from torch.nn.utils import parameters_to_vector

from seqmatch import config
from seqmatch.data import dataset
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset, save_subset
from seqmatch.training.experts import Trajectories
from seqmatch.training.loop import Phase, Stage, make_phases, plain_descent, train_through
from seqmatch.training.sharpness import sharpness_aware


def test_teachers_go_through_earlier_subsets_as_evaluation_does_and_then_real_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path)
    data, subset = dataset.load(Path("data")), load_subset(Path("subset"))
    second = subset[torch.arange(len(subset.labels)) % 2 == 0]
    about = {"parameters": {**RUN, "subset": 2}, "class_names": list("abc")}
    save_subset(Path("second"), second, second, data.normalization, about)
    evaluation = config.Evaluation(epochs=2, batch_size=4)
    recipe = config.Experts(architecture="c", networks_per_shard=1, batch_size=4)
    words = ["--recipe", recipe.model_dump_json(), "--evaluation", evaluation.model_dump_json(), "--epochs", "1"]
    words += ["--prefix", "subset", "second", "--shard", "0", "--name", "d/m", "--out", "o"]
    status, said = call("train_experts", *NETWORK, *words)
    assert status == 0, said

    seed = Seed("experts", "d", "m") / 0
    network = build(config.Architecture.model_validate_json(ARCHITECTURE), data.shape, 3, seed / "initial")
    earlier = make_phases(make_curriculum([subset, second], evaluation), evaluation, seed / "earlier")
    real = Phase(Stage(*data.split("train"), recipe.learning_rate), 1, recipe, seed / "real")
    with Trajectories([Path("o")]) as found:
        for epoch, phases in enumerate((earlier, [real])):
            train_through(network, phases, data.augmentation)
            expected = parameters_to_vector(network.parameters()).detach()
            torch.testing.assert_close(found.parameters(0, epoch), expected)


def test_experts_that_mind_sharpness_do_as_their_recipe_says():
    assert train_experts.descent(config.Experts(architecture="c")) is plain_descent
    found = train_experts.descent(config.Experts(architecture="c", rho=0.1, gsam_alpha=0.4, adaptive=False))
    assert isinstance(found, partial) and found.func is sharpness_aware
    assert found.keywords == {"rho": 0.1, "alpha": 0.4, "adaptive": False}
