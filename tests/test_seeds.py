import numpy as np
import torch

from seqmatch.seeds import Seed


def test_equal_names_give_equal_draws_and_others_do_not():
    draws = [torch.rand(4, generator=seed.generator()) for seed in (Seed("a", 1), Seed("a") / 1, Seed("a", 2))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_number_and_its_text_are_different_names():
    assert Seed("a", 1).integer() != Seed("a", "1").integer()


def test_whole_numbers_are_equal_names_whatever_their_type():
    assert Seed("a", np.int64(1)).integer() == Seed("a", 1).integer()


def test_names_do_not_run_together():
    assert Seed("ab", "c").integer() != Seed("a", "bc").integer()


def test_seeds_are_the_same_on_every_machine():
    assert Seed("experts", "digits", 0).integer() == 810443546
