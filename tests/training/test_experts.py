from functools import partial

import pytest
import torch
from helpers.tiny import TINY, labelled

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import Trajectories, record_trajectories, save_shard
from seqmatch.training.loop import Phase, Stage, train_through

RECIPE = config.Experts(architecture="convnet", batch_size=4)


def record(name, epochs=3):
    network = build(TINY, (1, 8, 8), 3, Seed(name))
    start = torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone()
    phase = Phase(Stage(*labelled(), 0.05), epochs, RECIPE, Seed(name))
    (trajectory,) = record_trajectories([Member(lambda: network, [phase])], [])
    return start, trajectory, torch.nn.utils.parameters_to_vector(network.parameters()).detach()


def test_a_trajectory_holds_start_every_epoch_and_end_as_copies():
    start, trajectory, end = record("a")
    assert len(trajectory) == 4
    assert torch.equal(trajectory[0], start) and torch.equal(trajectory[-1], end)
    moved = (trajectory[1:] - trajectory[:-1]).norm(dim=1)
    assert (moved > 0).all()


def test_a_longer_recording_begins_with_the_shorter_one():
    assert torch.equal(record("a", 3)[1], record("a", 5)[1][:4])


def test_an_expert_that_diverges_is_an_error_that_says_what_to_do():
    network = build(config.Architecture(family="convnet", width=4, depth=2, norm="none"), (1, 8, 8), 3, Seed("n"))
    with pytest.raises(SeqmatchError, match=r"learning rate 1e\+30; lower experts"):
        phase = Phase(Stage(*labelled(), 1e30), 2, RECIPE, Seed("n"))
        record_trajectories([Member(lambda: network, [phase])], [])


def test_a_teacher_is_recorded_from_where_the_earlier_stages_end():
    earlier = Phase(Stage(*labelled(name="earlier"), 0.05), 3, config.Evaluation(), Seed("earlier"))
    real = Phase(Stage(*labelled(), 0.05), 2, RECIPE, Seed("real"))
    (teacher,) = record_trajectories([Member(partial(build, TINY, (1, 8, 8), 3, Seed("n")), [earlier, real])], [])
    network = build(TINY, (1, 8, 8), 3, Seed("n"))
    for row, phase in zip(teacher[[0, 2]], [earlier, real], strict=True):
        train_through(network, [phase], [])
        assert torch.equal(row, torch.nn.utils.parameters_to_vector(network.parameters()))
    assert len(teacher) == 3


def test_a_teacher_that_diverges_on_the_earlier_stages_is_an_error_that_says_so():
    spec = config.Architecture(family="convnet", width=4, depth=2, norm="none")
    earlier = Phase(Stage(*labelled(), 1e30), 2, config.Evaluation(), Seed("e"))
    real = Phase(Stage(*labelled(), 0.05), 2, RECIPE, Seed("real"))
    with pytest.raises(SeqmatchError, match=r"teacher diverged on the earlier subsets, at step sizes 1e\+30"):
        record_trajectories([Member(partial(build, spec, (1, 8, 8), 3, Seed("n")), [earlier, real])], [])


def test_shards_are_read_as_one_pool(tmp_path):
    trajectories = [record(name)[1] for name in "abc"]
    save_shard(tmp_path / "0", trajectories[:2], {})
    save_shard(tmp_path / "1", trajectories[2:], {})
    with Trajectories([tmp_path / "0", tmp_path / "1"]) as pool:
        assert len(pool) == 3 and pool.epochs == 3
        for expert, trajectory in enumerate(trajectories):
            for epoch in range(4):
                assert torch.equal(pool.parameters(expert, epoch), trajectory[epoch])


def test_half_precision_rounds_the_way_from_the_start(tmp_path):
    trajectories = [record(name)[1] for name in "ab"]
    save_shard(tmp_path / "full", trajectories, {})
    save_shard(tmp_path / "half", trajectories, {}, "float16")
    assert (tmp_path / "half").stat().st_size < 0.8 * (tmp_path / "full").stat().st_size  # 4/2 + 1 rows, not 4
    with Trajectories([tmp_path / "half"]) as pool:
        assert len(pool) == 2 and pool.epochs == 3
        for expert, trajectory in enumerate(trajectories):
            assert torch.equal(pool.parameters(expert, 0), trajectory[0])
            for epoch in (1, 2, 3):
                read = pool.parameters(expert, epoch)
                assert read.dtype == torch.float32
                moved = (trajectory[epoch] - trajectory[0]).norm()
                assert 0 < (read - trajectory[epoch]).norm() < 2**-11 * moved  # half of float16's spacing


def test_a_damaged_shard_is_named(tmp_path):
    path = tmp_path / "shard0.safetensors"
    save_shard(path, [record("a")[1]], {})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SeqmatchError, match="shard0"):
        Trajectories([path])
