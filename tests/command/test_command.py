"""The command `seqmatch`, called in this process."""

import math
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
import torch
from helpers.tiny import ROOT
from PIL import Image

import seqmatch
from seqmatch import config
from seqmatch.command import frame
from seqmatch.command import main as command
from seqmatch.files.tensors import load_tensors
from seqmatch.sets.learning import Accuracies

NAME = "digits-seqmatch-mtt-ipc2"

OWN = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, shape, classes):
        super().__init__(nn.Flatten(), nn.Linear(64, classes))
"""


def options(name):
    return command.parser()._subparsers._group_actions[0].choices[name]._actions


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_explains_itself(called, name):
    text = called(name, "--help")
    assert text.startswith(f"usage: seqmatch {name}") and len(text.splitlines()) > 5
    assert all(action.help for action in options(name) if action.dest != "help")


@pytest.mark.parametrize("name", command.COMMANDS)
def test_no_option_takes_what_is_not_checked(name):
    unchecked = {int, float, str, None}
    found = [action.dest for action in options(name) if action.nargs != 0 and action.type in unchecked]
    assert [dest for dest in found if dest not in ("format", "dataset", "space", "normalization", "snakemake")] == []


def test_help_and_the_index_load_no_torch():
    code = "import sys, seqmatch.command.main, seqmatch.sets; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    code = "import sys, seqmatch; seqmatch.sets.listed(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_index_and_one_set_are_shown(called):
    assert f"| {NAME}" in called("sets") and "CC BY 4.0" in called("sets")
    assert called("show", NAME).strip() == repr(seqmatch.load(NAME))
    assert called("--version") == f"seqmatch {seqmatch.__version__}\n"


def test_what_is_not_there_is_told(called):
    assert "did you mean digits-mtt-ipc2?" in called("show", "digits-mtt-ipc3", status=1)
    assert "invalid choice" in called("shew", status=2)
    assert "the following arguments are required" in called("export", NAME, status=2)
    odd = called("evaluate", NAME, "--architecture", '{"family": "convnet", "widht": 4}', status=2)
    assert "--architecture: widht: " in odd


def test_a_set_is_exported_shown_again_and_not_written_over(called, tmp_path):
    place = tmp_path / "e"
    assert f"wrote {place}: " in called("export", NAME, "--format", "npz", "--out", f"{place}/")
    assert called("show", place) == called("show", NAME)
    assert "is there already" in called("export", NAME, "--format", "npz", "--out", place, status=1)
    within = place / "README.md/e"
    assert "README.md: Not a directory" in called("export", NAME, "--format", "npz", "--out", within, status=1)


def test_a_set_that_is_read_is_not_written_over(called, tmp_path):
    called("export", NAME, "--format", "npz", "--out", tmp_path / "e")
    words = ("train", tmp_path / "e", "--evaluation", '{"epochs": 1}', "--out", tmp_path / "e/set.safetensors")
    assert "one of which would be lost" in called(*words, status=2)
    assert called("show", tmp_path / "e") == called("show", NAME)
    assert "load its folder" in called("show", tmp_path / "e/set.npz", status=1)


def test_an_export_may_have_the_name_of_the_set(called, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"wrote {NAME}: " in called("export", NAME, "--format", "npz", "--out", NAME)


def test_a_network_is_trained_and_written(called, tmp_path):
    out = tmp_path / "network.safetensors"
    assert "a name that ends in .safetensors" in called("train", NAME, "--out", tmp_path / "network.pt", status=2)
    (tmp_path / "taken.safetensors").mkdir()
    assert "is a folder" in called("train", NAME, "--out", tmp_path / "taken.safetensors", status=1)
    called("train", NAME, "--architecture", '{"family": "convnet", "width": 4, "depth": 1}', "--out", out)
    tensors, header = load_tensors(out)
    assert header["parameters"]["architecture"]["width"] == 4 and all(
        tensor.isfinite().all() for tensor in tensors.values()
    )


def test_code_that_a_set_names_is_not_run(called, tmp_path, monkeypatch):
    """A set may come from anyone."""
    (tmp_path / "evil.py").write_text("raise SystemExit(9)")
    monkeypatch.syspath_prepend(tmp_path)
    stranger = replace(seqmatch.load(NAME), architecture=config.Architecture(family="evil:Net"))
    seqmatch.save(stranger, tmp_path / "set.safetensors")
    out = tmp_path / "network.safetensors"
    said = called("train", tmp_path / "set.safetensors", "--out", out, status=1)
    assert "evil:Net, whose code is not run for it; name one with --architecture" in said and not out.exists()
    assert "evil:Net, whose code is not run" in called("evaluate", tmp_path / "set.safetensors", status=1)


def test_a_network_of_ones_own_is_trained_and_evaluated(called, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    own = ("--architecture", '{"family": "mine:Net"}', "--evaluation", '{"epochs": 30}')
    assert "% (1 network), on 450 test images" in called("evaluate", NAME, *own, "--networks", 1)
    called("train", NAME, *own, "--out", tmp_path / "network.safetensors")
    assert (tmp_path / "network.safetensors").exists()


def test_networks_of_another_architecture_are_evaluated(called):
    words = ("--networks", 1, "--architecture", '{"family": "convnet", "width": 8, "depth": 1}')
    text = called("evaluate", NAME, *words)
    assert text.startswith("network 0: ") and "% (1 network), on 450 test images" in text


@pytest.mark.parametrize(
    "words",
    [
        ("--step-size", 0.05),
        ("--space", "normalized"),
        ("--normalization", "zca"),
        ("--experiment", 0),
        ("--labels", "labels.pt"),
    ],
)
def test_what_is_for_tensors_is_refused_for_a_set(called, words):
    assert f"{words[0]}: it is for tensors of another program (.pt, .pth)" in called("evaluate", NAME, *words, status=1)


def test_tensors_of_a_size_that_no_real_images_are_made_in_are_refused(called, tmp_path):
    torch.save(torch.zeros(10, 1, 200, 200), tmp_path / "images.pt")
    torch.save(torch.arange(10), tmp_path / "labels.pt")
    said = called("evaluate", tmp_path / "images.pt", "--dataset", "digits", status=1)
    assert "images of 200×200 pixels: real ones are square here, of 8 to 128 pixels" in said


def test_networks_that_failed_are_told_of(called, monkeypatch):
    found = Accuracies((80.0, math.nan, 90.0), 85.0, 50**0.5)
    monkeypatch.setattr(seqmatch, "evaluate", lambda *args, **options: found)
    lines = called("evaluate", NAME).splitlines()
    assert lines[1] == "network 1: failed"
    assert lines[-1] == "accuracy: 85.0 ± 7.1 % (3 networks, 1 failed and left out), on 450 test images"


@pytest.mark.filterwarnings("ignore:the network failed")
def test_training_that_diverges_ends_with_an_error(called, tmp_path):
    small = ("--architecture", '{"family": "convnet", "width": 4, "depth": 1, "norm": "none"}')
    too_fast = ("--evaluation", '{"learning_rate": 1e9, "epochs": 9}', *small)
    out = tmp_path / "network.safetensors"
    said = called("train", NAME, "--out", out, *too_fast, status=1)
    assert f"{out}: not written: training diverged" in said and not out.exists()
    said = called("evaluate", NAME, "--networks", 2, *too_fast, status=1)
    assert "training diverged each time" in said


def test_test_images_that_do_not_fit_are_refused(called, tmp_path):
    for split in ("train", "test"):
        for name in "0123456789":
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("L", (9, 9)).save(tmp_path / split / name / "a.png")
    words = ("--dataset", "imagefolder", "--data", tmp_path)
    one = ("--networks", 1, "--architecture", '{"family": "convnet", "width": 4, "depth": 1}')
    assert "on 10 test images" in called("evaluate", NAME, *words, *one)
    (tmp_path / "train/9/a.png").rename(tmp_path / "train/8/b.png")
    (tmp_path / "test/9/a.png").rename(tmp_path / "test/8/b.png")
    for split in ("train", "test"):
        (tmp_path / split / "9").rmdir()
    assert "has 9 classes, the set 10" in called("evaluate", NAME, *words, status=1)


def test_tensors_of_another_program_are_evaluated_and_taken_in(called, tmp_path):
    """What trajectory matching publishes: here the images of our own set, so their accuracy is known."""
    called("export", "digits-mtt-ipc2", "--format", "pt", "--out", tmp_path / "e")
    tensors = (tmp_path / "e/images.pt", "--labels", tmp_path / "e/labels.pt", "--dataset", "digits")
    few = ("--networks", 1, "--evaluation", '{"epochs": 60}')
    small = ("--architecture", '{"family": "convnet", "width": 16, "depth": 2}')
    text = called("evaluate", *tensors, *few, *small)
    assert float(text.split()[2]) > 75 and "on 450 test images" in text
    assert "from elsewhere" not in called("import", *tensors, "--out", tmp_path / "mine.safetensors")
    assert called("evaluate", tmp_path / "mine.safetensors", *few, *small) == text
    torch.save(torch.arange(20) % 5, tmp_path / "five.pt")
    five = (tensors[0], "--labels", tmp_path / "five.pt", *tensors[3:])
    assert "images of 5 classes; digits has 10" in called("evaluate", *five, status=1)
    assert "--dataset is missing" in called("evaluate", *tensors[:3], status=1)
    (tmp_path / "e/set.safetensors").unlink()
    assert called("evaluate", tmp_path / "e", *tensors[3:], *few, *small) == text
    assert "epoch: unknown key; did you mean epochs?" in called(
        "evaluate", NAME, "--evaluation", '{"epoch": 5}', status=2
    )
    assert "'epochs=5': not JSON" in called("evaluate", NAME, "--evaluation", "epochs=5", status=2)
    assert "`seqmatch import` makes a set of them" in called("show", tmp_path / "e/images.pt", status=1)


def test_a_warning_is_one_line(capsys):
    with frame.warnings_in_words():
        warnings.warn("are these pixels?", stacklevel=1)
    assert capsys.readouterr().err == "warning: are these pixels?\n"
