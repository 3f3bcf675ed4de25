"""What tests share: tiny networks, data and settings, and a check that nothing draws from a global generator."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from seqmatch import config
from seqmatch.seeds import Seed

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

TINY = config.Network(family="convnet", width=4, depth=2)


@pytest.fixture(autouse=True)
def global_generators_stay_untouched():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    yield
    after = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    assert torch.equal(before[0], after[0])
    assert (before[1] == after[1]).all()
    assert before[2] == after[2]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


def normal(*shape, name="x", dtype=torch.float32):
    """Standard normal numbers that depend on the name alone."""
    return torch.randn(*shape, generator=Seed("test", name).generator(), dtype=dtype)


def labelled(classes=3, per_class=4, shape=(1, 8, 8), name="x"):
    """Noise with a bright row in a place of its own for each class, class after class."""
    labels = torch.arange(classes).repeat_interleave(per_class)
    images = normal(len(labels), *shape, name=name)
    images[torch.arange(len(labels)), :, 1 + 2 * labels] += 3
    return images, labels


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project in which the tiny experiment has run; who changes it puts it back."""
    from workflow import TINY, copy_project, run

    folder = copy_project(tmp_path_factory.mktemp("finished"), TINY)
    run(folder, "all")
    return folder
