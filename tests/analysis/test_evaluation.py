from functools import partial

import pandas as pd
import pytest
import torch
from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.analysis.evaluation import choose_snapshot, doubts, evaluate, score_snapshots
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import Snapshots
from seqmatch.synthetic.subset import Subset
from seqmatch.training import ensemble
from seqmatch.training.gradients import EAGER, Gradients
from seqmatch.training.inference import accuracy
from seqmatch.training.learner import Learner
from seqmatch.training.loop import Stage, make_phases, train_joined, train_through

SETTINGS = config.Evaluation(networks=2, epochs=8)
NEW_NETWORK = partial(build, TINY, (1, 8, 8), 3)
LEARNER = Learner(NEW_NETWORK, SETTINGS)


def snapshots():
    images, labels = labelled(per_class=1)
    noise = normal(3, 1, 8, 8, name="noise")
    return Snapshots(
        iterations=torch.tensor([0, 5, 9]),
        images=torch.stack([noise, images, images + 0.1]),
        step_sizes=torch.tensor([0.05, 0.06, 0.07], dtype=torch.float64),
        labels=labels,
        matching_losses=torch.zeros(9, dtype=torch.float64),
        step_size_course=torch.zeros(9, dtype=torch.float64),
    )


@pytest.mark.parametrize("earlier", [0, 1, 2])
@pytest.mark.parametrize(
    "choice",
    [{}, {"momentum_restarts": False}, {"step_sizes": "first"}, {"curriculum": "subset"}, {"learning_rate": 0.04}],
    ids=str,
)
def test_scores_are_those_of_training_through_the_whole_curriculum(choice, earlier):
    settings = SETTINGS.model_copy(update=choice)
    prefix = [Subset(*labelled(per_class=1, name=f"{k}"), step_size=0.03 + 0.02 * k) for k in range(earlier)]
    splits = {"validation": labelled(name="val"), "test": labelled(name="test")}
    scores = score_snapshots(prefix, snapshots(), splits, Learner(NEW_NETWORK, settings, ["crop"]), 2, Seed("s"))
    assert len(scores) == 6 and scores["iteration"].tolist() == [0, 5, 9] * 2
    for row in scores.itertuples():
        network = NEW_NETWORK(Seed("s") / row.network / "initial")
        curriculum = make_curriculum([*prefix, snapshots().subset(row.snapshot)], settings)
        train_through(network, make_phases(curriculum, settings, Seed("s") / row.network), ["crop"])
        assert row.validation == pytest.approx(100 * accuracy(network, *splits["validation"]))
        assert row.test == pytest.approx(100 * accuracy(network, *splits["test"]))


@pytest.fixture
def together(monkeypatch):
    """A learner whose networks are trained as one, and how many were each time."""
    sizes = []

    def watched(networks, *others):
        sizes.append(len(networks))
        return train_joined(networks, *others)

    monkeypatch.setattr(ensemble, "train_joined", watched)
    gradients = Gradients(EAGER.of, lambda full: 16)
    return Learner(NEW_NETWORK, SETTINGS, ["crop"], lambda images: gradients), sizes


def test_networks_of_one_curriculum_are_evaluated_as_one(together):
    learner, sizes = together
    curricula = {name: [Stage(*labelled(name=name), 0.05)] for name in ("a", "b")}
    found = evaluate(curricula, labelled(name="test"), learner, Seed("e"))
    assert sizes == [2, 2]  # so that those of one do not depend on whether there is another
    alone = evaluate(curricula, labelled(name="test"), Learner(NEW_NETWORK, SETTINGS, ["crop"]), Seed("e"))
    assert found["accuracy"].tolist() == pytest.approx(alone["accuracy"].tolist())


def test_all_snapshots_are_scored_as_one(together):
    learner, sizes = together
    prefix = [Subset(*labelled(per_class=1, name="first"), step_size=0.05)]
    splits = {"validation": labelled(name="val")}
    found = score_snapshots(prefix, snapshots(), splits, learner, 2, Seed("s"))
    assert sizes == [2, 6]  # through the first subset, then on each snapshot
    alone = score_snapshots(prefix, snapshots(), splits, Learner(NEW_NETWORK, SETTINGS, ["crop"]), 2, Seed("s"))
    assert found["validation"].tolist() == pytest.approx(alone["validation"].tolist())


def test_networks_that_score_a_snapshot_share_its_images(monkeypatch):
    moved = []
    monkeypatch.setattr(Stage, "to", lambda self, device: moved.append(self) or self)
    prefix = [Subset(*labelled(per_class=1, name="first"), step_size=0.05)]
    score_snapshots(prefix, snapshots(), {"test": labelled()}, LEARNER, 2, Seed("s"))
    assert len(moved) == 1 + 3  # of the earlier subset, and one per snapshot


def test_evaluation_trains_different_networks_and_repeats_itself():
    curriculum = make_curriculum([Subset(*labelled(), step_size=0.05)], SETTINGS)
    test = (normal(60, 1, 8, 8, name="t"), torch.arange(60) % 3)
    first, again = (evaluate({"last": curriculum}, test, LEARNER, Seed("e")) for _ in range(2))
    assert first["accuracy"].equals(again["accuracy"])
    assert first["accuracy"][0] != first["accuracy"][1]
    assert first["accuracy"].between(0, 100).all() and (first["seconds"] > 0).all()


def test_selections_are_compared_on_equal_draws():
    curricula = {name: make_curriculum([Subset(*labelled(name=name), step_size=0.05)], SETTINGS) for name in "ab"}
    both = evaluate(curricula | {"again": curricula["a"]}, labelled(name="t"), LEARNER, Seed("e"))
    assert both["selection"].tolist() == ["a", "a", "b", "b", "again", "again"]
    assert both["network"].tolist() == [0, 1] * 3
    assert both["accuracy"].tolist()[:2] == both["accuracy"].tolist()[4:]


def test_equal_curricula_share_their_networks(together):
    learner, sizes = together
    stage = Stage(*labelled(), 0.05)
    curricula = {"validation": [stage], "last": [Stage(stage.images.clone(), stage.labels, 0.05)], "test": [stage] * 2}
    curricula["faster"] = [Stage(stage.images, stage.labels, 0.06)]
    curricula["other labels"] = [Stage(stage.images, stage.labels.flip(0), 0.05)]
    found = evaluate(curricula, labelled(name="t"), learner, Seed("e"))
    assert sizes == [2] * 4  # all but `last`
    for name, curriculum in curricula.items():
        alone = evaluate({name: curriculum}, labelled(name="t"), learner, Seed("e"))
        assert found.loc[found["selection"] == name, "accuracy"].tolist() == alone["accuracy"].tolist()


def test_evaluation_learns_what_the_curriculum_teaches():
    curriculum = make_curriculum([Subset(*labelled(), step_size=0.05)], SETTINGS)
    learner = Learner(NEW_NETWORK, config.Evaluation(epochs=40))
    results = evaluate({"last": curriculum}, labelled(name="other"), learner, Seed("e"))
    assert results["accuracy"].min() > 60


def test_a_network_that_diverges_has_no_accuracy_and_is_reported(capsys):
    unnormalised = config.Architecture(family="convnet", width=4, depth=2, norm="none")
    curriculum = make_curriculum([Subset(*labelled(), step_size=1e30)], SETTINGS)
    learner = Learner(partial(build, unnormalised, (1, 8, 8), 3), SETTINGS)
    results = evaluate({"last": curriculum}, labelled(name="t"), learner, Seed("e"))
    assert results["accuracy"].isna().tolist() == [True, True]
    assert "diverged" in capsys.readouterr().err


def test_a_snapshot_is_selected_by_its_mean_score_or_as_the_last():
    scores = pd.DataFrame(
        {
            "network": [0, 0, 0, 1, 1, 1],
            "snapshot": [0, 1, 2] * 2,
            "validation": [50.0, 70.0, 60.0, 50.0, 60.0, 70.0],
            "test": [90.0, 10.0, 20.0, 90.0, 10.0, 20.0],
        }
    )
    assert choose_snapshot(snapshots(), scores, "validation") == 2  # the later of equals
    assert choose_snapshot(snapshots(), scores, "test") == 0
    assert choose_snapshot(snapshots(), scores, "last") == 2
    scores.loc[scores["snapshot"] == 2, "validation"] = [99.0, float("nan")]
    assert choose_snapshot(snapshots(), scores, "validation") == 1  # no network failed on it
    scores["validation"] = float("nan")
    assert choose_snapshot(snapshots(), scores, "validation") == 2


def test_doubts_of_a_selection_are_said():
    scores = pd.DataFrame(
        {"network": 0, "snapshot": [0, 1, 2], "iteration": [0, 5, 9], "validation": [60.0, 70.0, 65.0]}
    )
    assert doubts(scores, "validation", 100) == []
    (few,) = doubts(scores, "validation", 18)
    assert "18 images" in few and "5.6 points" in few
    (initial,) = doubts(scores.assign(validation=[70.0, 60.0, 65.0]), "validation", 100)
    assert "iteration 0" in initial and "nothing is distilled" in initial
    (equal,) = doubts(scores.assign(validation=[60.0, 70.0, 70.0]), "validation", 100)
    assert "same score (1)" in equal
    (failed,) = doubts(scores.assign(validation=float("nan")), "validation", 100)
    assert "3 of 3 networks" in failed
