import torch
from helpers.tiny import FOUR, labelled

from seqmatch import config
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.formation import decode
from seqmatch.synthetic.subset import Subset


def subsets():
    return [Subset(*labelled(name=f"s{k}"), step_size=0.1 * (k + 1)) for k in range(3)]


def test_stage_k_is_the_union_of_the_first_k_subsets_at_its_own_step_size():
    parts = subsets()
    stages = make_curriculum(parts, config.Evaluation())
    assert [len(stage.labels) for stage in stages] == [12, 24, 36]
    assert [stage.step_size for stage in stages] == [part.step_size for part in parts]
    assert torch.equal(stages[1].images, torch.cat([parts[0].images, parts[1].images]))
    assert torch.equal(stages[1].labels, torch.cat([parts[0].labels, parts[1].labels]))


def test_stages_can_be_the_subsets_alone():
    parts = subsets()
    stages = make_curriculum(parts, config.Evaluation(curriculum="subset"))
    assert all(torch.equal(stage.images, part.images) for stage, part in zip(stages, parts, strict=True))


def test_a_learning_rate_replaces_the_learned_step_sizes():
    stages = make_curriculum(subsets(), config.Evaluation(learning_rate=0.7))
    assert [stage.step_size for stage in stages] == [0.7] * 3


def test_all_stages_may_have_the_step_size_of_the_first():
    stages = make_curriculum(subsets(), config.Evaluation(step_sizes="first"))
    assert [stage.step_size for stage in stages] == [0.1] * 3


def test_networks_learn_from_decoded_images():
    first = Subset(*labelled(per_class=2, name="a"), step_size=0.1, parameterisation=FOUR)
    second = Subset(*labelled(per_class=1, name="b"), step_size=0.2)
    one, two = make_curriculum([first, second], config.Evaluation())
    assert torch.equal(one.images, decode(first.images, 2)) and one.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert torch.equal(two.images, torch.cat([one.images, second.images])) and two.labels[-3:].tolist() == [0, 1, 2]
