"""Distilled sets as one object, in the workflow's files and in one of their own."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.tiny import labelled, normal

import seqmatch
from seqmatch.config import Architecture, Evaluation
from seqmatch.data import dataset
from seqmatch.data.normalization import Fingerprint, Standardization, Whitening, fit_whitening, from_tensors, identity
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import save_table
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.synthetic.subset import Subset, save_subset

CLASSES = ("a", "b", "c")
STATISTICS = Standardization(torch.tensor([0.5]), torch.tensor([0.25]))
EVALUATION = Evaluation(networks=2, epochs=3, batch_size=4)
ARCHITECTURE = Architecture(family="convnet", width=4, depth=1)
PREPARATION = {"source": "mnist", "normalization": "zca", "validation_fraction": 0.5}
RAW = (labelled(per_class=8)[0] * 25 + 100).clamp(0, 255).to(torch.uint8)
LABELS = labelled(per_class=8)[1]


def header(k, count=2, iteration=5):
    return {
        "class_names": CLASSES,
        "augmentation": ["crop"],
        "iteration": iteration,
        "distilled": {"dataset": "d", "method": "seqmatch-mtt", "ipc": 2, "seed": 0, "subset_count": count},
        "prepared": {"dataset": "d", "preparation": PREPARATION},
        "parameters": {
            "evaluation": EVALUATION.model_dump(),
            "architecture": ARCHITECTURE.model_dump(),
            "architecture_name": "small",
        },
    }


def write_run(folder, statistics=STATISTICS, count=2, **about):
    """The folder of a run, as the workflow writes it."""
    folder.mkdir(parents=True)
    for k in range(1, count + 1):
        images, labels = labelled(per_class=1, name=str(k))
        subset = Subset(images, labels, 0.01 * k)
        save_subset(
            folder / f"subset{k}.safetensors", subset, replace(subset, images=-images), statistics, header(k, **about)
        )
    return folder


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "d/seqmatch-mtt/ipc2/seed0")


def same(first, second):
    """Whether two sets hold the same."""
    pairs = zip(first.subsets, second.subsets, strict=True)
    return (
        all(torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in pairs)
        and [a.step_size for a in first.subsets] == [b.step_size for b in second.subsets]
        and torch.equal(first.pixels(), second.pixels())
        and first.about == second.about
        and first.accuracies == second.accuracies
        and (first.evaluation, first.architecture) == (second.evaluation, second.architecture)
        and (first.class_names, first.augmentation) == (second.class_names, second.augmentation)
    )


def test_a_run_is_loaded_as_one_set(run):
    found = seqmatch.load(run)
    assert [len(stage.labels) for stage in found.stages] == [3, 6]
    assert [stage.step_size for stage in found.stages] == [0.01, 0.02]
    assert found.class_names == CLASSES and found.augmentation == ("crop",) and found.shape == (1, 8, 8)
    assert found.evaluation == EVALUATION and found.architecture == ARCHITECTURE
    seen, label = found.dataset()[4]
    assert torch.equal(seen, labelled(per_class=1, name="2")[0][1]) and label == 1 and len(found.dataset(0)) == 3
    expected = ((found.stages[1].images * 0.25 + 0.5).clamp(0, 1) * 255).round()
    assert torch.equal(found.pixels(), expected.to(torch.uint8)) and len(found.pixels(0)) == 3


def test_a_set_tells_what_it_is_with_what_the_workflow_measured(run):
    rows = {"dataset": "d", "method": "seqmatch-mtt", "ipc": "2", "seed": 0, "K": 2, "matched_on": "small"}
    rows |= {"seconds": 1.0, "selected_on": 9, "undistilled": 0, "stored_numbers": 128}
    for name, selections in (("other", ["validation"]), ("small", ["validation", "test"])):
        table = [
            rows | {"architecture": name, "selection": selection, "network": network, "accuracy": 50.0 + 2 * network}
            for selection in selections
            for network in (0, 1)
        ]
        save_table(run / f"accuracy/{name}.csv", pd.DataFrame(table), {})
    found = seqmatch.load(run)
    assert [measured.architecture for measured in found.accuracies] == ["small", "other"]
    assert all((measured.mean, measured.std, measured.networks) == (51.0, 1.4142, 2) for measured in found.accuracies)
    with pytest.warns(UserWarning, match="one of 2 subsets"):
        assert not seqmatch.load(run / "subset1.safetensors").accuracies
    assert repr(found).splitlines() == [
        "Distilled set: seqmatch-mtt on d, seed 0",
        "  images      6 of 1×8×8 in 3 classes (a, b, c)",
        "  subsets     2, of 3, 3 images; step sizes 0.01, 0.02",
        "  normalised  mean and standard deviation of each channel",
        "  trained     3 epochs per stage in batches of 4, augmentation crop; convnet of width 4, depth 1",
        "  accuracy    51.0 ± 1.4 % on test data, 2 networks (small)",
    ]


def test_networks_may_be_trained_in_another_way_than_the_set_says(run):
    found = seqmatch.load(run)
    other = found.with_evaluation(epochs=7, augmentation=[])
    assert (other.evaluation.epochs, other.evaluation.batch_size, found.evaluation.epochs) == (7, 4, 3)
    assert "7 epochs per stage in batches of 4, augmentation none" in repr(other)
    with pytest.raises(SeqmatchError, match="epoch: unknown key; did you mean epochs"):
        found.with_evaluation(epoch=7)
    with pytest.raises(SeqmatchError, match="epochs = -1"):
        found.with_evaluation(epochs=-1)


def test_accuracies_are_of_the_protocol_that_they_were_measured_under():
    found = seqmatch.load("digits-mtt-ipc2")
    assert found.accuracies and found.with_evaluation(epochs=found.evaluation.epochs).accuracies == found.accuracies
    assert not found.with_evaluation(epochs=7).accuracies


def test_what_a_set_tells_of_itself_steers_no_terminal(run):
    found = replace(seqmatch.load(run), class_names=("\x1b[2J", "b\n", "c"), about={"name": ["\x07"]})
    assert len(repr(found).splitlines()) == 5 and not set(repr(found)) & set("\x1b\x07")


def test_a_set_is_one_file_without_the_real_images(run, tmp_path):
    found = seqmatch.load(run)
    seqmatch.save(found, tmp_path / "share/set.safetensors")
    tensors, _ = load_tensors(tmp_path / "share/set.safetensors")
    assert not [name for name in tensors if "initial" in name]
    for place in ("share", "share/set.safetensors"):
        again = seqmatch.load(tmp_path / place)
        assert same(again, found) and torch.equal(again.normalization.mean, STATISTICS.mean)


def test_real_images_leave_only_when_asked_for(tmp_path):
    found = seqmatch.load(write_run(tmp_path / "run", iteration=0))
    with pytest.raises(SeqmatchError, match=r"set\.safetensors: not written: .* are real ones.*real=True"):
        seqmatch.save(found, tmp_path / "set.safetensors")
    seqmatch.save(found, tmp_path / "set.safetensors", real=True)
    assert same(seqmatch.load(tmp_path / "set.safetensors"), found)


def test_what_could_not_be_read_again_is_not_written(run, tmp_path):
    found, place = seqmatch.load(run), tmp_path / "set.safetensors"
    first, second = found.subsets
    for broken, message in (
        (replace(found, class_names=("a", "", "c")), r"class_names\[1\] = ''"),
        (replace(found, subsets=(first, replace(second, images=second.images.double()))), "subset2.images: exp"),
        (replace(found, normalization=Standardization(torch.ones(3), torch.ones(3))), "mean: expected float32"),
    ):
        with pytest.raises(SeqmatchError, match=rf"set\.safetensors: not written: {message}"):
            seqmatch.save(broken, place)
        assert not list(tmp_path.glob("*set*"))


def test_a_seed_that_there_is_no_choice_of_is_refused(run):
    for path in (run, run / "subset1.safetensors"):
        with pytest.raises(SeqmatchError, match="not a folder of several seeds; leave out seed = 3"):
            seqmatch.load(path, seed=3)


def test_a_folder_of_seeds_gives_the_first_and_says_so(tmp_path):
    for seed in (10, 2):
        write_run(tmp_path / f"ipc2/seed{seed}")
    with pytest.warns(UserWarning, match="has seeds 2, 10; the first is taken"):
        first = seqmatch.load(tmp_path / "ipc2")
    assert same(first, seqmatch.load(tmp_path / "ipc2", seed=10))
    with pytest.raises(SeqmatchError, match="there is no seed 3; there are 2, 10"):
        seqmatch.load(tmp_path / "ipc2", seed=3)


def test_what_is_no_set_or_not_whole_is_refused_by_its_name(run, tmp_path):
    with pytest.raises(SeqmatchError, match="empty: no distilled set is there"):
        (tmp_path / "empty").mkdir()
        seqmatch.load(tmp_path / "empty")
    with pytest.raises(SeqmatchError, match=r"nothing\.safetensors: there is no such file"):
        seqmatch.load(tmp_path / "nothing.safetensors")
    with pytest.raises(SeqmatchError, match=r"images\.pt: tensors of another program; `seqmatch import`"):
        seqmatch.load(tmp_path / "images.pt")
    with pytest.warns(UserWarning, match="subset2.safetensors: one of 2 subsets"):
        assert len(seqmatch.load(run / "subset2.safetensors").subsets) == 1
    (run / "subset1.safetensors").unlink()
    with pytest.raises(SeqmatchError, match=r"subset1\.safetensors: there is no such file; this set has 2 subsets"):
        seqmatch.load(run)


def test_subsets_left_over_from_a_longer_run_are_left_out(tmp_path):
    run = write_run(tmp_path / "run", count=1)
    write_run(tmp_path / "long", count=3)
    (tmp_path / "long/subset3.safetensors").rename(run / "subset3.safetensors")
    subset = run / "subset1.safetensors"
    tensors, about = load_tensors(subset)
    save_tensors(subset, tensors, about | {"distilled": about["distilled"] | {"subset_count": 1}})
    assert len(seqmatch.load(run).subsets) == 1


@pytest.fixture
def whitened(tmp_path):
    """A run on whitened images, and the file of its data set; the whitening is fitted on a third of the images."""
    splits = {"train": torch.arange(8), "validation": torch.arange(8, 16), "test": torch.arange(16, 24)}
    whitening = fit_whitening(RAW, 0.1, splits["train"])
    run = write_run(tmp_path / "d/mtt/ipc2/seed0", whitening)
    dataset.save(
        tmp_path / "d/data.safetensors", dataset.Dataset(RAW, LABELS, splits, CLASSES, whitening, ("crop",)), {}
    )
    return run, whitening


def test_the_matrix_of_a_whitening_is_stored_once_and_found(whitened, tmp_path):
    run, whitening = whitened
    tensors, _ = load_tensors(run / "subset1.safetensors")
    assert "zca_matrix" not in tensors and tensors["zca_fingerprint"].numel() == 256
    found = seqmatch.load(run)
    assert torch.equal(found.normalize(RAW), whitening.apply(RAW)) and "ZCA whitening, reg" in repr(found)
    seqmatch.save(found, tmp_path / "set.safetensors")
    assert torch.equal(seqmatch.load(tmp_path / "set.safetensors").normalize(RAW), whitening.apply(RAW))
    seqmatch.save(replace(found, normalization=None), tmp_path / "small.safetensors")
    assert "zca_matrix" not in load_tensors(tmp_path / "small.safetensors")[0]


def test_a_set_without_its_matrix_says_so_and_has_it_fitted_anew(whitened, tmp_path):
    run, whitening = whitened
    (tmp_path / "d/data.safetensors").unlink()
    found = seqmatch.load(run)
    assert "the matrix is not at hand" in repr(found) and len(found.pixels()) == 6
    with pytest.raises(SeqmatchError, match=r"not at hand.*set\.refit\(images\)"):
        found.normalize(RAW)
    with pytest.raises(SeqmatchError, match=r"by other images than these 24; .*without those that were held out"):
        found.refit(RAW)
    for images in (RAW / 255, RAW[:0]):
        with pytest.raises(SeqmatchError, match="expected uint8, and some"):
            found.refit(images)
    for odd, message in (
        (([0.5], [0.2]), "this set is whitened; expected what fit_whitening gives"),
        (identity(3), "expected 1 means"),
        (fit_whitening(RAW[:, :, :4, :4], 0.1), "images of 1×8×8: the whitening is of images of 16 numbers"),
    ):
        with pytest.raises(SeqmatchError, match=message):
            found.with_normalization(odd)
    other = found.with_normalization(fit_whitening(RAW, 0.1))
    assert replace(other, normalization=None).refit(RAW).normalization  # which is what it is known by now
    again = found.refit(RAW[:8].numpy())
    torch.testing.assert_close(again.normalize(RAW), whitening.apply(RAW))
    with pytest.raises(SeqmatchError, match="not whitened"):
        seqmatch.load(write_run(tmp_path / "plain")).refit(RAW)


def test_another_whitening_of_the_data_set_is_not_taken(whitened, tmp_path):
    run, _ = whitened
    data = dataset.load(tmp_path / "d/data.safetensors")
    dataset.save(tmp_path / "d/data.safetensors", replace(data, normalization=fit_whitening(RAW, 0.2)), {})
    with pytest.warns(UserWarning, match="not whitened as the set was"):
        assert seqmatch.load(run).normalization is None


def test_files_of_earlier_versions_hold_the_matrix_and_load(whitened):
    run, whitening = whitened
    for k in (1, 2):
        tensors, about = load_tensors(run / f"subset{k}.safetensors")
        old = {name: tensor for name, tensor in tensors.items() if not name.startswith("zca")}
        old |= {"zca_mean": whitening.mean, "zca_matrix": whitening.matrix}
        save_tensors(run / f"subset{k}.safetensors", old, about)
    assert isinstance(seqmatch.load(run).normalization, Whitening)


def test_a_fingerprint_survives_rounding_and_tells_other_images():
    raw = torch.nn.functional.interpolate(normal(400, 3, 3, 3), (8, 8), mode="bicubic")
    raw = (raw * 50 + 128).clamp(0, 255).to(torch.uint8)
    whitening = fit_whitening(raw, 0.1)
    known = from_tensors(whitening.small_tensors())
    assert isinstance(known, Fingerprint) and known.regularization == 0.1 and known.fits(whitening)
    rounded = whitening.matrix * (1 + 1e-6 * normal(192, 192))
    assert known.fits(replace(whitening, matrix=rounded))
    for other in (
        fit_whitening(raw[:-1], 0.1),
        fit_whitening(raw, 0.11),
        replace(whitening, mean=whitening.mean * 1.01),
    ):
        assert not known.fits(other)
    assert sum(tensor.nbytes for tensor in whitening.small_tensors().values()) < 1100


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 1), np.uint8), r"expected \(N, 1, 8, 8\), found \(2, 8, 8, 1\); channels come before"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"expected \(N, 1, 8, 8\), found \(2, 3, 8, 8\)$"),
        (torch.zeros(2, 1, 8, 8).long(), r"expected uint8, or numbers in \[0, 1\], found torch.int64"),
        (torch.full((2, 1, 8, 8), 1.5), r"numbers in \[0, 1\], found 1.5 to 1.5; give images as they are"),
        (torch.full((2, 1, 8, 8), torch.nan), r"found nan to nan"),
    ],
)
def test_images_that_cannot_be_normalised_are_refused(run, images, message):
    with pytest.raises(SeqmatchError, match=message):
        seqmatch.load(run).normalize(images)


def test_images_of_any_usual_form_are_normalised_alike(run):
    found = seqmatch.load(run)
    expected = STATISTICS.apply(RAW)
    for images in (RAW, RAW.numpy(), RAW / 255, (RAW / 255).numpy(), (RAW / 255).double()):
        torch.testing.assert_close(found.normalize(images), expected)


def test_a_clone_that_is_only_on_the_path_has_no_version_and_no_error(monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("seqmatch.files.store.version", missing)
    assert seqmatch.__version__ == "not installed"


def test_importing_costs_nothing_and_loading_no_more_than_torch(run):
    code = (
        "import sys, seqmatch\n"
        "assert seqmatch.__version__ and 'torch' not in sys.modules\n"
        f"set = seqmatch.load({str(run)!r})\n"
        "repr(set), set.pixels(), set.dataset(), set.normalize(set.pixels())\n"
        "print([name for name in ('pandas', 'snakemake', 'sklearn', 'matplotlib') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
