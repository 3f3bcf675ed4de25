"""Synthetic sets of other programs."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from helpers.tiny import labelled, normal

import seqmatch
from seqmatch import config
from seqmatch.data.normalization import Standardization, fit_whitening
from seqmatch.errors import SeqmatchError
from seqmatch.networks import build
from seqmatch.seeds import Seed

IMAGES, LABELS = labelled(per_class=2)
PAIR = ([0.5], [0.25])
LOGITS = 5 * normal(6, 3)


class Code:
    """What a file would run when it is unpickled."""

    def __reduce__(self):
        return print, ("run",)


def saved(folder, **files):
    for name, value in files.items():
        torch.save(value, folder / f"{name}.pt")
    return folder


def accuracies():
    """As DC keeps them beside its tensors."""
    return {"ConvNet": [np.float64(0.5), np.float32(0.25), 0.125]}


LAYOUTS = {
    "MTT, FTD": (dict(images_best=IMAGES, labels_best=LABELS, images_500=IMAGES * 2), 0.03, LABELS, 0.03),
    "DATM, TESLA": (
        dict(images_best=IMAGES, labels_best=LOGITS, lr_best=torch.tensor(0.02)),
        None,
        LOGITS.softmax(1),
        0.02,
    ),
    "DD-Ranking": (dict(images=IMAGES.requires_grad_(False), labels=LABELS, lr=0.02), None, LABELS, 0.02),
    "of one iteration": (dict(images_500=IMAGES, labels_500=LABELS, syn_lr_500=torch.tensor([0.1])), None, LABELS, 0.1),
    "DC, DSA, DM": (
        {"res_DC_CIFAR10": {"data": [[IMAGES, LABELS], [-IMAGES, LABELS]], "accs_all_exps": accuracies()}},
        0.01,
        LABELS,
        0.01,
    ),
    "of two step sizes": (dict(images=IMAGES, labels=LABELS, lr=0.02, syn_lr=0.5), None, LABELS, 0.02),
    "one file": ({"images_best": {"images": IMAGES, "labels": LABELS, "more": 1}}, 0.01, LABELS, 0.01),
    "one file with all": (
        {"images": {"images": IMAGES, "labels": LABELS, "lr": torch.tensor(0.02)}},
        None,
        LABELS,
        0.02,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_others_publish_is_read(tmp_path, layout):
    files, given, labels, step_size = LAYOUTS[layout]
    found = seqmatch.from_files(saved(tmp_path, **files), step_size=given, space="normalized", normalization=PAIR)
    assert torch.equal(found.stages[0].images, IMAGES) and found.stages[0].step_size == pytest.approx(step_size)
    torch.testing.assert_close(found.stages[0].labels, labels)
    assert tmp_path.name in repr(found) and "6 of 1×8×8 in 3 classes (0, 1, 2)" in repr(found)


@pytest.mark.parametrize(
    "rounded",
    [torch.Tensor.bfloat16, torch.Tensor.half, lambda shares: shares.round(decimals=2), lambda shares: shares - 1e-8],
)
def test_rounded_shares_of_classes_are_no_logits(rounded):
    shares = LOGITS.softmax(1)
    found = seqmatch.from_tensors(IMAGES, rounded(shares), 0.01, "normalized", PAIR).stages[0].labels
    torch.testing.assert_close(found, shares, atol=0.02, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(6))


def test_a_set_keeps_its_images_when_the_tensors_that_it_was_made_of_go_on():
    images, labels = IMAGES.clone(), LABELS.clone()
    found = seqmatch.from_tensors(images, labels, 0.01, "normalized", PAIR)
    images += 1
    labels += 1
    assert torch.equal(found.stages[0].images, IMAGES) and torch.equal(found.stages[0].labels, LABELS)


def test_files_may_be_named_one_by_one(tmp_path):
    saved(tmp_path, mine=IMAGES, theirs=LABELS, rate=0.05, both={"data": [[IMAGES, LABELS], [-IMAGES, LABELS]]})
    found = seqmatch.from_files(tmp_path / "mine.pt", tmp_path / "theirs.pt", tmp_path / "rate.pt", space="normalized")
    assert found.stages[0].step_size == 0.05
    second = seqmatch.from_files(tmp_path / "both.pt", step_size=0.1, experiment=1, space="normalized")
    assert torch.equal(second.stages[0].images, -IMAGES)


def test_what_is_named_and_would_not_be_read_is_refused(tmp_path):
    pair = {"images": IMAGES, "labels": LABELS}
    saved(tmp_path, images=pair, labels=LABELS, several={"data": [[IMAGES, LABELS]]}, plain=IMAGES)
    about = {"step_size": 0.1, "space": "normalized"}
    with pytest.raises(SeqmatchError, match=r"several\.pt: has labels of its own; leave out .*labels\.pt"):
        seqmatch.from_files(tmp_path / "several.pt", tmp_path / "labels.pt", **about)
    assert torch.equal(
        seqmatch.from_files(tmp_path / "images.pt", **about).stages[0].images, IMAGES
    )  # those beside it may lie
    for name, labels in (("images", None), ("plain", tmp_path / "labels.pt")):
        with pytest.raises(SeqmatchError, match=rf"{name}\.pt: not of several experiments; .* no experiment 1"):
            seqmatch.from_files(tmp_path / f"{name}.pt", labels, experiment=1, **about)


def test_a_whitening_of_other_images_is_refused():
    other = fit_whitening((30 * normal(9, 1, 4, 4) + 120).to(torch.uint8), 0.1)
    with pytest.raises(SeqmatchError, match="images of 1×8×8: the whitening is of images of 16 numbers"):
        seqmatch.from_tensors(IMAGES.clamp(0, 1), LABELS, 0.1, "pixels", other)


def test_an_external_set_is_learned_from_and_kept_like_others(tmp_path):
    evaluation = config.Evaluation(networks=1, epochs=2)
    raw = (IMAGES * 25 + 100).clamp(0, 255).to(torch.uint8)
    found = seqmatch.from_tensors(
        raw.numpy(), LABELS.tolist(), 0.01, "pixels", PAIR, ["a", "b", "c"], evaluation, architecture=small()
    )
    assert torch.equal(found.pixels(), raw) and found.class_names == ("a", "b", "c")
    assert torch.equal(found.normalize(raw), found.stages[0].images)
    first = seqmatch.evaluate(found, raw, LABELS).values
    seqmatch.save(found, tmp_path / "set.safetensors")
    assert seqmatch.evaluate(seqmatch.load(tmp_path / "set.safetensors"), raw, LABELS).values == first


def test_normalised_images_of_unknown_statistics_train_but_test_nothing(tmp_path):
    found = seqmatch.from_tensors(IMAGES, LABELS, 0.01, "normalized", evaluation=config.Evaluation(epochs=1))
    seqmatch.train(build(small(), (1, 8, 8), 3, Seed("n")), found)
    raw = (IMAGES * 25 + 100).clamp(0, 255).to(torch.uint8)
    for use in (lambda: found.normalize(raw), lambda: found.pixels()):
        with pytest.raises(SeqmatchError, match=r"not at hand|not known"):
            use()
    seqmatch.save(found, tmp_path / "set.safetensors")
    assert seqmatch.load(tmp_path / "set.safetensors").normalization is None
    whitening = fit_whitening(raw.repeat(20, 1, 1, 1), 0.1)
    assert torch.equal(found.with_normalization(whitening).normalize(raw), whitening.apply(raw))


def small():
    return config.Architecture(family="convnet", width=4, depth=1)


def test_a_file_with_code_is_not_opened(tmp_path, capsys):
    saved(tmp_path, images=Code(), labels=LABELS)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Code(), protocol=2))
    for name in ("images.pt", "plain.pt"):
        with pytest.raises(SeqmatchError, match=rf"{name}: not opened: it holds more than tensors.*run code"):
            seqmatch.from_files(tmp_path / name, step_size=0.1, space="pixels")
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"expected images_best\.pt or images\.pt, or one .*; found 0 of"),
        ({"images_1": IMAGES, "images_2": IMAGES}, r"found 2 of the last: images_1\.pt, images_2\.pt; name the file"),
        ({"images": IMAGES}, r"images\.pt: there are no labels with it"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"labels\.pt: expected \(6,\) or \(6, classes\).*found \(3,\)"),
        ({"images": IMAGES, "labels": LABELS - 0.5}, r"labels\.pt: expected classes, whole numbers from 0"),
        (
            {"images": IMAGES, "labels": LOGITS.softmax(1) / 2},
            r"labels\.pt: all lie in 0 to 1, .* are 0\.5 to 0\.5 together: expected 1",
        ),
        ({"images": IMAGES[0], "labels": LABELS}, r"images\.pt: expected images \(n, 1 or 3, .*found \(1, 8, 8\)"),
        ({"images": IMAGES / 0, "labels": LABELS}, r"images\.pt: expected finite numbers"),
        (
            {"images": {"x": 1}, "labels": LABELS},
            r"images\.pt: a dictionary with x; expected `images` and `labels`, or `data`",
        ),
        ({"images": IMAGES[..., :0], "labels": LABELS}, r"images\.pt: expected images \(n, 1 or 3"),
        ({"images": "text", "labels": LABELS}, r"images\.pt: expected a tensor, found str"),
        (
            {"images": [IMAGES[0], IMAGES[0, :, :3]], "labels": LABELS},
            r"images\.pt: expected a tensor, found list",
        ),
        ({"images": IMAGES.to_sparse(), "labels": LABELS}, r"images\.pt: expected a dense tensor of numbers"),
        ({"images": IMAGES + 1j, "labels": LABELS}, r"images\.pt: expected a dense tensor of numbers, .*complex64"),
        ({"images": IMAGES, "labels": LABELS, "lr": torch.ones(3)}, r"lr\.pt: expected one number, .*\(3,\)$"),
        ({"images": IMAGES, "labels": LABELS, "lr": -1.0}, r"step size -1\.0: expected a number above 0"),
        ({"images": IMAGES, "labels": LABELS}, "its step size is not known: give `step_size`"),
    ],
)
def test_files_that_are_no_set_are_refused_by_name(tmp_path, files, message):
    with pytest.raises(SeqmatchError, match=message):
        seqmatch.from_files(saved(tmp_path, **files), space="normalized")


def test_files_that_torch_did_not_write_are_refused(tmp_path):
    (tmp_path / "images.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(SeqmatchError, match=r"images\.pt: not (opened|a file that torch\.save wrote)"):
        seqmatch.from_files(tmp_path / "images.pt", space="pixels")
    with pytest.raises(SeqmatchError, match=r"gone\.pt: there is no such file"):
        seqmatch.from_files(tmp_path / "gone.pt", space="pixels")


@pytest.mark.parametrize(
    ("images", "space", "message"),
    [
        (IMAGES, "pixels", "are these normalised"),
        (IMAGES.sigmoid() * 255, "pixels", "are these in 0 to 255"),
        (IMAGES.sigmoid(), "normalized", "none is below 0; are these pixels"),
        (IMAGES.sigmoid() * 16, "normalized", "divided so that they lie in 0 to 1"),
    ],
)
def test_images_that_look_like_another_space_are_warned_of(images, space, message):
    with pytest.warns(UserWarning, match=message):
        seqmatch.from_tensors(images, LABELS, 0.1, space, PAIR)


def test_what_contradicts_itself_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seqmatch.from_tensors(IMAGES, LABELS, 0.1, "normalized", PAIR)
    for arguments, message in (
        ((IMAGES, LABELS, 0.1, "zca"), "space = 'zca': expected pixels or normalized"),
        ((IMAGES.byte(), LABELS, 0.1, "normalized"), "uint8 images are pixels"),
        ((IMAGES, LABELS, 0.0, "normalized"), r"step size 0\.0: expected"),
        ((IMAGES, LABELS, "0.1", "normalized"), r"step size '0\.1': expected a number above 0"),
        ((IMAGES, LABELS, None, "normalized"), "step_size: expected the learning rate"),
        ((IMAGES, LABELS, 0.1, "normalized", ([0.5] * 3, [0.2] * 3)), "expected 1 means and 1 standard deviations"),
        ((IMAGES, LABELS, 0.1, "normalized", PAIR, ["a"]), "class_names: expected 3, as labels tell, found 1$"),
        ((IMAGES, LABELS + 1, 0.1, "normalized", PAIR, [*"abc"]), "expected 4, .* found 3; do labels count from 0"),
    ):
        with pytest.raises(SeqmatchError, match=message):
            seqmatch.from_tensors(*arguments)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (LABELS + 1, {}, "up to 3, but not each class has an image; do they count from 0"),
        (LABELS * 10**9, {}, "up to 2000000000, but not each class"),
        (LABELS, {"augmentation": "color_crop"}, r"expected operations, as .*, or \[\] for none, found 'color_crop'"),
        (LABELS, {"augmentation": None}, r"expected operations, as .*, or \[\] for none, found None"),
        (LABELS, {"augmentation": ["flp"]}, "found 'flp'; did you mean flip"),
        (LABELS, {"normalization": ([float("nan")], [1.0])}, "expected 1 means and 1 standard deviations"),
        (LABELS, {"normalization": [[0.5], [0.2], [0.1]]}, "expected a pair, means and deviations, found 3"),
        (LABELS, {"normalization": ("a", "b")}, "expected 1 means and 1 standard deviations"),
        (LABELS, {"normalization": Standardization(torch.ones(1), torch.zeros(1))}, "standard deviations above 0"),
        (LABELS, {"normalization": ([125.3], [63.0])}, "expected statistics of pixels in 0 to 1; divide"),
        (
            LABELS,
            {"normalization": fit_whitening(IMAGES.byte().repeat(9, 1, 2, 2), 0.1)},
            "images of 256 numbers",
        ),
        (LABELS, {"normalization": "zca"}, "normalization: expected a pair, .*; found str"),
        (LABELS, {"class_names": "abc"}, "class_names: expected the names in their order, found str"),
        (LABELS, {"class_names": 3}, "class_names: expected the names in their order, found int"),
        (LABELS, {"class_names": ["a", "b", "a"]}, "class_names: 'a' is there twice"),
        (LABELS, {"evaluation": {"epochs": 2}}, r"evaluation: expected seqmatch\.config\.Evaluation\(…\), found dict"),
        (LABELS, {"architecture": "convnet"}, "architecture: expected .*, found str"),
    ],
)
def test_what_a_set_could_not_be_made_of_is_refused(labels, settings, message):
    with pytest.raises(SeqmatchError, match=message):
        seqmatch.from_tensors(IMAGES, labels, 0.1, "normalized", **{"normalization": PAIR} | settings)


def test_a_step_size_may_be_a_tensor_and_deviations_the_means_themselves(tmp_path):
    statistics = torch.tensor([0.5])
    found = seqmatch.from_tensors(
        IMAGES, LABELS, torch.tensor(0.5), "normalized", Standardization(statistics, statistics)
    )
    assert seqmatch.from_tensors(IMAGES, LABELS, np.array(0.5), "normalized").subsets[0].step_size == 0.5
    seqmatch.save(found, tmp_path / "set.safetensors")
    assert seqmatch.load(tmp_path / "set.safetensors").stages[0].step_size == 0.5


def test_a_set_of_ours_is_no_file_of_others(tmp_path):
    (tmp_path / "set.safetensors").touch()
    with pytest.raises(SeqmatchError, match=r"set\.safetensors: not a file of torch\.save; .* seqmatch\.load"):
        seqmatch.from_files(tmp_path / "set.safetensors", space="pixels")
    saved(tmp_path, both={"data": [[IMAGES, LABELS]]})
    with pytest.raises(SeqmatchError, match="has 1 experiments, from 0; there is no experiment a"):
        seqmatch.from_files(tmp_path / "both.pt", step_size=0.1, experiment="a", space="normalized")


def test_files_of_a_set_of_several_subsets_are_not_taken_for_one(tmp_path):
    saved(tmp_path, images=IMAGES, labels=LABELS, lr=torch.tensor([0.1, 0.2]))
    (tmp_path / "set.safetensors").touch()
    with pytest.raises(SeqmatchError, match=r"found \(2,\), one of each subset: seqmatch\.load reads such a set"):
        seqmatch.from_files(tmp_path, space="normalized")


def test_names_and_statistics_may_be_of_any_usual_form():
    found = seqmatch.from_tensors(IMAGES, LABELS, 0.1, "normalized", [[0.5], [0.2]], range(3))
    assert found.class_names == ("0", "1", "2")
    with pytest.raises(SeqmatchError, match="digit: not a source of real images; did you mean digits"):
        seqmatch.test_images(found, source="digit")
