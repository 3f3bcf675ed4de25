from dataclasses import replace

import pytest
import torch
from helpers.tiny import FOUR, labelled, normal

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.tensors import save_tensors
from seqmatch.synthetic.parameterisations import Parameterisation
from seqmatch.synthetic.snapshots import Snapshots, load_snapshots, save_snapshots, snapshot_iterations


def made_snapshots(**others):
    """Two copies of three images, after no iterations and after one."""
    images, labels = labelled(per_class=1)
    return Snapshots(
        iterations=torch.tensor([0, 1]),
        images=torch.stack([images, images + 1]),
        step_sizes=torch.tensor([0.1, 0.2], dtype=torch.float64),
        labels=labels,
        matching_losses=torch.ones(1, dtype=torch.float64),
        step_size_course=torch.full((1,), 0.1, dtype=torch.float64),
        **others,
    )


def test_a_copy_is_a_subset_of_the_same_parameterisation_and_labels():
    shares = normal(12, 3).softmax(1)
    snapshots = made_snapshots(parameterisation=FOUR, soft_labels=shares)
    copy = snapshots.subset(1)
    assert copy.parameterisation == FOUR and len(copy.decoded()[0]) == 12
    assert torch.equal(copy.images, snapshots.images[1]) and copy.step_size == 0.2
    assert torch.equal(copy.labels, snapshots.labels) and torch.equal(copy.decoded()[1], shares)


def test_copies_that_show_the_initial_images_have_not_moved():
    snapshots = made_snapshots(decoder={"memories": torch.zeros(2, 3)})
    assert snapshots.moved(1) and not snapshots.moved(0)
    skipped = replace(snapshots, images=snapshots.images[:1].repeat(2, 1, 1, 1, 1))  # all updates
    assert not skipped.moved(1)
    assert replace(skipped, decoder={"memories": torch.arange(2.0)[:, None]}).moved(1)


@pytest.mark.parametrize("parameterisation", [Parameterisation(), FOUR], ids=lambda each: each.name)
@pytest.mark.parametrize("soft", [False, True])
def test_snapshots_come_back_from_their_file(tmp_path, parameterisation, soft):
    shares = normal(3 * parameterisation.held, 3).softmax(1)
    snapshots = made_snapshots(parameterisation=parameterisation, **({"soft_labels": shares} if soft else {}))
    save_snapshots(tmp_path / "s.safetensors", snapshots, {})
    loaded = load_snapshots(tmp_path / "s.safetensors")
    before, after = snapshots.tensors(), loaded.tensors()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.parameterisation == parameterisation and int(after["formation"]) == parameterisation.size


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "parameterisation: missing.*delete it and run again"),
        ({"parameterisation": "pixel"}, "parameterisation = 'pixel': Input should be 'pixels', 'multi-formation'"),
    ],
)
def test_a_file_without_a_known_parameterisation_is_refused_by_its_name(tmp_path, header, message):
    save_tensors(tmp_path / "s.safetensors", made_snapshots().tensors(), header)
    with pytest.raises(SeqmatchError, match=rf"s\.safetensors: .*{message}"):
        load_snapshots(tmp_path / "s.safetensors")


@pytest.mark.parametrize(
    ("iterations", "snapshots", "moments"),
    [(150, 5, {0, 30, 60, 90, 120, 150}), (3, 10, {0, 1, 2, 3}), (10, 3, {0, 3, 7, 10}), (0, 4, {0})],
)
def test_snapshots_are_evenly_spread(iterations, snapshots, moments):
    settings = config.Matching(iterations=iterations, snapshots=snapshots)
    assert snapshot_iterations(settings) == moments
