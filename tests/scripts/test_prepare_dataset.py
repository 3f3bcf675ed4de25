"""What the log of the first job that reads says, and what it is checked for."""

import json
import runpy

import numpy as np
import pytest
from helpers.archives import noise
from helpers.parsers import parser_of
from helpers.tiny import ROOT
from PIL import Image

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_header

SCRIPT = ROOT / "scripts/prepare_dataset.py"


@pytest.fixture
def prepare(tmp_path):
    """Runs the script on a folder of two classes of twelve images."""
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for index in range(12):
            Image.fromarray(noise(8, 8, 3, seed=index)).save(tmp_path / "mine" / name / f"{index}.png")

    def run(*arguments, **settings):
        settings = {"source": "imagefolder", "path": str(tmp_path / "mine")} | settings
        options = ["--dataset", "mine", "--preparation", json.dumps(settings), "--out", str(tmp_path / "d.safetensors")]
        runpy.run_path(str(SCRIPT))["main"](parser_of(SCRIPT).parse_args([*options, *arguments]))
        return tmp_path / "d.safetensors"

    return run


def test_one_line_says_what_was_taken_converted_and_skipped(prepare, tmp_path, capsys):
    Image.fromarray((noise(8, 8).astype(np.uint16) + 1) * 200).save(tmp_path / "mine/cat/deep.png")
    (tmp_path / "mine/cat/.ipynb_checkpoints").mkdir()
    (tmp_path / "mine/dog/notes.txt").touch()
    prepare()
    assert capsys.readouterr().out.splitlines()[0] == (
        "mine: took 25 images of 2 classes; 1 of mode I;16 converted to RGB; skipped 1 files `.txt`; "
        "skipped 1 folders `.ipynb_checkpoints`"
    )


@pytest.mark.parametrize(("fraction", "warned"), [(0.2, True), (0.0, False)])
def test_few_validation_images_are_a_warning(prepare, capsys, fraction, warned):
    prepare(validation_fraction=fraction)
    assert ("warning: mine: 4 validation images will choose snapshots" in capsys.readouterr().err) == warned


def test_what_a_data_set_is_checked_for_changes_nothing_in_its_file(prepare):
    once = prepare().read_bytes()
    assert prepare("--images-per-class", "5").read_bytes() == once
    assert "images_per_class" not in load_header(prepare())["parameters"]
    with pytest.raises(SeqmatchError, match=r"class cat has 8 training images, but .* starts from 9 of each class"):
        prepare("--images-per-class", "9")
