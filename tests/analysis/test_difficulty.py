from argparse import Namespace
from functools import partial

import cluster_difficulty
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.tiny import TINY, labelled
from sklearn.metrics import adjusted_rand_score

from seqmatch import config
from seqmatch.analysis.difficulty import (
    BINS,
    agreement_table,
    binned_losses,
    common_difficulty,
    difficulty_table,
    hard_instances,
    stage_ends,
)
from seqmatch.analysis.losses import record_losses
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table
from seqmatch.files.tensors import save_tensors
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import even_moments
from seqmatch.training.inference import instance_losses
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Stage, make_phases, train_through

SETTINGS = config.Evaluation(epochs=6)
NEW_NETWORK = partial(build, TINY, (1, 8, 8), 3)


def two_kinds(easy=30, hard=10, moments=5):
    """Losses that fall to 0.1 for easy instances and stay near 2 for hard ones, in a mixed order."""
    generator = np.random.default_rng(0)
    is_hard = generator.permutation(easy + hard) < hard
    course = np.where(is_hard, np.linspace(2.3, 2.0, moments)[:, None], np.linspace(2.3, 0.1, moments)[:, None])
    return course + 0.05 * generator.standard_normal((moments, easy + hard)), is_hard


def test_hard_instances_are_found():
    losses, is_hard = two_kinds()
    assert (hard_instances(losses) == is_hard).all()


def test_instances_that_are_all_alike_are_easy():
    assert not hard_instances(np.ones((4, 7))).any()


def test_the_table_holds_shares_and_means():
    losses, is_hard = two_kinds()
    stack = np.stack([losses, losses + 1])
    table = difficulty_table(stack, np.arange(5) * 10, np.array([1, 1, 1, 2, 2]), hard_instances(losses))
    assert len(table) == 2 * 5 * 2
    last = table[(table["network"] == 1) & (table["epoch"] == 40)].set_index("difficulty")
    assert last.loc["hard", "share"] == 0.25 and last.loc["easy", "share"] == 0.75
    assert last.loc["hard", "mean_loss"] == pytest.approx(losses[-1, is_hard].mean() + 1)
    assert last.loc["easy", "stage"] == 2


def test_what_stages_teach_is_judged_on_images_that_other_seeds_found_hard():
    """By hand, for two methods whose seeds disagree on what is hard."""
    hard_of = {0: [0, 1], 1: [2, 3]}
    ends = {}
    for seed, hard in hard_of.items():
        final = np.full(8, 0.1)
        final[hard] = 2.0
        ends["mtt", seed] = final[None]
        ends["two", seed] = np.stack([final + 1, final - 0.05])
    table = common_difficulty(ends).set_index(["method", "seed", "stage", "difficulty"])["mean_loss"]
    assert len(table) == 12
    for seed in (0, 1):
        others = hard_of[1 - seed]  # these are easy for this seed
        easy = np.delete(ends["mtt", seed][0], others)
        assert table["mtt", seed, 1, "hard"] == pytest.approx(0.1)
        assert table["mtt", seed, 1, "easy"] == pytest.approx(easy.mean())
        assert table["two", seed, 1, "hard"] == pytest.approx(1.1) and table["two", seed, 2, "hard"] == pytest.approx(
            0.05
        )
    assert common_difficulty({("mtt", 0): ends["mtt", 0]}).empty


def test_a_stage_ends_with_its_last_record():
    losses = np.arange(2 * 5 * 3, dtype=float).reshape(2, 5, 3)
    assert np.array_equal(stage_ends(losses, np.array([1, 1, 2, 2, 2])), losses.mean(0)[[1, 4]])


def test_bins_hold_every_instance_once_hard_ones_first():
    losses, is_hard = two_kinds(easy=300, hard=100)
    table = binned_losses(np.stack([losses, losses + 1]), np.arange(5) * 10, np.array([1, 1, 1, 2, 2]), is_hard)
    bins = table.groupby("bin").first()
    assert len(table) == BINS * 5 and bins["images"].sum() == 400 and (bins["images"] == 4).all()
    assert (bins["difficulty"] == ["hard"] * 25 + ["easy"] * 75).all()
    last = table[table["epoch"] == 40]["mean_loss"].to_numpy()
    assert (np.diff(last[:25]) <= 0).all() and (np.diff(last[25:]) <= 0).all()
    hardest = np.argsort(-np.where(is_hard, losses[-1], -np.inf))[:4]
    assert table["mean_loss"].iloc[1] == pytest.approx(losses[1, hardest].mean() + 0.5)
    means = table.groupby("epoch")["mean_loss"].mean()
    assert means.to_numpy() == pytest.approx(losses.mean(1) + 0.5)


def test_few_instances_have_a_bin_each():
    losses, is_hard = two_kinds()
    table = binned_losses(losses[None], np.arange(5), np.ones(5, int), is_hard)
    assert (table["images"] == 1).all() and table["bin"].nunique() == 40
    table = binned_losses(losses[None], np.arange(5), np.ones(5, int), np.zeros(40, bool))
    assert (table["difficulty"] == "easy").all() and table["bin"].nunique() == 40


def test_splits_that_agree_have_index_one_and_independent_ones_none():
    losses, is_hard = two_kinds(easy=3000, hard=1000)
    other, _ = two_kinds(easy=3000, hard=1000)
    unrelated = np.random.default_rng(1).permutation(is_hard)
    splits = {0: hard_instances(losses), 3: hard_instances(other + 0.1), 5: unrelated}
    table = agreement_table(splits).set_index(["first", "second"])["adjusted_rand_index"]
    assert list(table.index) == [(0, 3), (0, 5), (3, 5)]
    assert table[0, 3] == 1 and abs(table[0, 5]) < 0.05


def test_one_split_has_nothing_to_agree_with():
    assert agreement_table({0: np.array([True, False])}).empty


def test_stability_is_of_networks_within_a_run_and_of_seeds_between_runs(tmp_path):
    losses, is_hard = two_kinds(easy=30, hard=10)
    flipped = losses[:, np.random.default_rng(2).permutation(40)]
    paths = []
    for seed, stack in enumerate(([losses, losses], [losses, flipped])):
        header = {"parameters": {"dataset": "d", "method": "mtt", "ipc": "2", "seed": seed}, "inputs": {}}
        record = {
            "losses": np.abs(np.stack(stack)).astype(np.float32),
            "epochs": np.arange(5),
            "stages": np.ones(5, int),
        }
        paths.append(tmp_path / f"{seed}.safetensors")
        save_tensors(paths[-1], {name: torch.from_numpy(array) for name, array in record.items()}, header)
    forms = {name: tmp_path / f"s.{name}" for name in ("csv", "markdown", "latex", "html")}
    cluster_difficulty.main(
        Namespace(losses=paths, out=tmp_path / "difficulty.csv", bins=tmp_path / "losses.csv", **forms)
    )
    table = load_table(forms["csv"])
    networks = table[table["between"] == "networks"].set_index("seed")["adjusted_rand_index"]
    expected = adjusted_rand_score(hard_instances(losses), hard_instances(flipped))
    assert networks[0] == 1 and networks[1] == pytest.approx(expected, abs=1e-4)
    (seeds,) = table[table["between"] == "seeds"].itertuples()
    both = hard_instances(np.stack([losses, flipped]).mean(0))
    assert (seeds.first, seeds.second) == (0, 1) and pd.isna(seeds.seed)
    assert seeds.adjusted_rand_index == pytest.approx(adjusted_rand_score(is_hard, both), abs=1e-4)


def test_losses_are_recorded_along_exactly_the_evaluations_training():
    curriculum = [Stage(*labelled(name=name), 0.05) for name in "ab"]
    real = labelled(per_class=10, name="real")
    learner = Learner(NEW_NETWORK, SETTINGS, ["crop"])
    record = record_losses(curriculum, real, learner, config.Difficulty(networks=2, records=3), Seed("r"))
    assert record.losses.shape == (2, 7, 30)
    assert record.epochs.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert record.stages.tolist() == [1, 1, 1, 1, 2, 2, 2]
    for index in range(2):
        network = NEW_NETWORK(Seed("r") / index / "initial")
        assert torch.equal(record.losses[index, 0], instance_losses(network, *real))
        train_through(network, make_phases(curriculum, SETTINGS, Seed("r") / index), ["crop"])
        assert torch.equal(record.losses[index, -1], instance_losses(network, *real))


def test_a_network_that_diverges_is_an_error_that_says_what_to_do():
    unnormalised = config.Architecture(family="convnet", width=4, depth=2, norm="none")
    learner = Learner(partial(build, unnormalised, (1, 8, 8), 3), SETTINGS)
    with pytest.raises(SeqmatchError, match="network diverged"):
        record_losses([Stage(*labelled(), 1e30)], labelled(), learner, config.Difficulty(), Seed("r"))


@pytest.mark.parametrize(("epochs", "records", "moments"), [(10, 2, {5, 10}), (3, 8, {1, 2, 3}), (7, 1, {7})])
def test_moments_are_evenly_spread_and_end_with_the_stage(epochs, records, moments):
    assert even_moments(epochs, records) == moments
