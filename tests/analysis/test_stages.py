from functools import partial

from helpers.tiny import TINY, labelled, normal

from seqmatch import config
from seqmatch.analysis.evaluation import evaluate
from seqmatch.analysis.stages import stage_accuracies
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import subset_curriculum, union_curriculum
from seqmatch.synthetic.subset import Subset
from seqmatch.training.learner import Learner

LEARNER = Learner(partial(build, TINY, (1, 8, 8), 3), config.Evaluation(networks=2, epochs=6), ["crop"])


def test_after_each_stage_a_network_is_that_of_an_evaluation_that_ends_there():
    subsets = [Subset(*labelled(name=name), 0.05) for name in "abc"]
    curricula = {"union": union_curriculum(subsets), "subset": subset_curriculum(subsets)}
    test = normal(90, 1, 8, 8, name="t"), labelled(per_class=30)[1]
    table = stage_accuracies(curricula, test, LEARNER, Seed("e"))
    assert len(table) == 2 * 2 * 3
    for (name, stages), rows in table.groupby(["curriculum", "stages"]):
        expected = evaluate({name: curricula[name][:stages]}, test, LEARNER, Seed("e"))
        assert rows["accuracy"].tolist() == expected["accuracy"].tolist()
