"""Networks that learn from the images while these are distilled."""

from functools import partial

import torch
import torch.nn.functional as F
from helpers.tiny import TINY, labelled

from seqmatch import config
from seqmatch.distillation.learning import learning
from seqmatch.networks import build
from seqmatch.seeds import Seed


def test_a_network_learns_from_all_synthetic_images_between_two_iterations_until_a_new_one_begins():
    """Written out with PyTorch's own optimiser, a new one after each update of the images."""
    learner = config.Training(momentum=0.5)
    matching = config.GradientMatching(updates_per_network=3, network_epochs=2, learner=learner)
    (images, labels), fresh = labelled(per_class=2), partial(build, TINY, (1, 8, 8), 3)
    network_of, theirs = learning(fresh, labels, matching, [], Seed("d")), fresh(Seed("d", 0, "network"))
    for iteration in range(3):
        if iteration:
            optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.5)
            for _ in range(2):  # of a single minibatch each
                optimizer.zero_grad()
                F.cross_entropy(theirs(images), labels).backward()
                optimizer.step()
        for ours, their in zip(network_of(images, 0.05, iteration).parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(ours, their, rtol=1e-4, atol=1e-6)
    renewed, first = network_of(images, 0.05, 3).parameters(), fresh(Seed("d", 3, "network")).parameters()
    assert all(map(torch.equal, renewed, first))
