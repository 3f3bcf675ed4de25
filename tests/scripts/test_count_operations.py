"""Operations are counted from the configuration alone."""

import json

from helpers.names import run_script
from helpers.snakemake import TINY

from seqmatch.files.kinds import Operations
from seqmatch.files.store import load_table


def test_what_depends_on_images_that_are_gone_is_not_counted(tmp_path, capsys):
    gone = {"source": "imagefolder", "path": str(tmp_path / "nowhere")}
    cell = {"dataset": "gone", "ipc": 1, "methods": {"random": None}}
    raw = TINY | {"datasets": TINY["datasets"] | {"gone": gone}, "cells": [*TINY["cells"], cell]}
    for cells, counted in ((raw["cells"], {"digits"}), ([cell], set())):
        configuration = json.dumps(raw | {"cells": cells})
        run_script("count_operations", "--configuration", configuration, "--out", tmp_path / "o.csv")
        table = load_table(tmp_path / "o.csv", Operations)
        assert set(table["dataset"]) == counted and (table["gflop"] > 0).all()
        assert "the images of gone are not there, so that its operations are not counted" in capsys.readouterr().err
