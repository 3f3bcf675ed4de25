"""What networks of a later subset start from."""

import torch
from torch import nn

from seqmatch.seeds import Seed
from seqmatch.training.experts import Trajectories
from seqmatch.training.loop import NewNetwork


def teacher_start(teachers: Trajectories, fresh: NewNetwork) -> NewNetwork:
    """One of the networks that were trained through the earlier subsets, as a new network."""

    def new_network(seed: Seed) -> nn.Module:
        number = int(torch.randint(len(teachers), (), generator=(seed / "teacher").generator()))
        return teachers.load(fresh(seed), number, 0)

    return new_network
