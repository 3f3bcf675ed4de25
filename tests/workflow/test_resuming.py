"""Every stage is killed at random moments, again and again, and ends with the bytes of an uninterrupted run.

The scripts run in processes forked from one that has PyTorch loaded, so that a start takes no time.
"""

import json
import multiprocessing
import os
import random
import runpy
import shutil
import signal
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from helpers.tiny import ROOT

from seqmatch.files.checkpoint import Checkpoint

pytestmark = pytest.mark.slow


def compact(**settings):
    """A section of the configuration as JSON without spaces."""
    return json.dumps(settings, separators=(",", ":"))


ARCHITECTURE = compact(family="convnet", width=8, depth=2)
EVALUATION = compact(networks=3, epochs=100, batch_size=16)
RECIPE = compact(architecture="convnet", networks_per_shard=3, batch_size=256, learning_rate=0.05)
MATCHING = {"synthetic_steps": 4, "expert_epochs": 1, "max_start_epoch": 5, "optimizer": "adam", "lr_images": 0.03}
FIRST, SECOND = (compact(**MATCHING, iterations=n, snapshots=s) for n, s in ((80, 4), (60, 2)))

TRAIN = f"--data data.st --architecture {ARCHITECTURE} --evaluation {EVALUATION}"
RUN = "--dataset digits --method m --ipc 2 --seed 0"
EXPERTS = f"train_experts --data data.st --architecture {ARCHITECTURE} --recipe {RECIPE} --shard 0"
DISTILL = f"distill_subset {RUN} --data data.st --architecture {ARCHITECTURE} --subset-count 2 --objective trajectory"
SUBSETS = "--subsets subset1.st subset2.st"

STAGES = {
    "experts.st": f"{EXPERTS} --name e --epochs 12",
    "snapshots1.st": f"{DISTILL} --subset 1 --experts experts.st --matching {FIRST}",
    "subset1.st": f"select_snapshot {TRAIN} --architecture-name c --snapshots snapshots1.st --selections validation"
    " test --networks 1 --name a --scores scores1.csv",
    "teachers.st": f"{EXPERTS} --name t --epochs 10 --prefix subset1.st --evaluation {EVALUATION}",
    "snapshots2.st": f"{DISTILL} --subset 2 --prefix subset1.st --experts teachers.st --matching {SECOND}",
    "subset2.st": f"select_snapshot {TRAIN} --architecture-name c --prefix subset1.st --snapshots snapshots2.st"
    " --selections validation --networks 2 --name b --scores scores2.csv",
    "accuracy.csv": f"evaluate {RUN} {TRAIN} {SUBSETS} --architecture-name c --matched-on c --selection validation"
    " --also last --snapshots snapshots2.st --scores scores2.csv",
    "losses.st": f"record_losses {RUN} {TRAIN} {SUBSETS} --difficulty {compact(networks=2, records=20)}",
    "coupling.csv": f"measure_coupling {RUN} {TRAIN} {SUBSETS} --coupling {compact(networks=2)}",
    "stages.csv": f"measure_stages {RUN} {TRAIN} {SUBSETS} --architecture-name c",
}
"""What makes a file, in the order in which each needs those before it."""


def run_script(folder, script, arguments, saves=None, delay=0.0, ending=signal.SIGKILL):
    """In a process of its own, whose output goes to a file.

    Args:
        saves, delay, ending: kill it with this signal, so many seconds after it saved its state so many times; never
            if None. What it saved before is kept, so that however often this happens, the work comes to its end.
    """
    os.chdir(folder)
    output = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if saves is not None:
        end_after(saves, threading.Timer(delay, os.kill, (os.getpid(), ending)))
    path = ROOT / "scripts" / f"{script}.py"
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path), *arguments]
    runpy.run_path(str(path), run_name="__main__")


def end_after(saves, timer):
    """Start the timer when the state was saved so many times; at once for 0."""
    save, left = Checkpoint._save, iter(range(saves - 1, -1, -1))

    def counted(checkpoint):
        save(checkpoint)
        if next(left, None) == 0:
            timer.start()

    timer.daemon = True
    Checkpoint._save = counted
    if saves == 0:
        timer.start()


@pytest.fixture(scope="module")
def start():
    """Starts a script; returns its process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "torch",
            "pandas",
            "seqmatch.analysis.evaluation",
            "seqmatch.distillation.loop",
            "seqmatch.analysis.coupling",
            "sympy",
        ]
    )

    def call(folder, script, *arguments, **kill):
        process = context.Process(target=run_script, args=(folder, script, arguments), kwargs=kill)
        process.start()
        return process

    return call


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """A folder in which every stage ran without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    prepare = f"prepare_dataset --dataset digits --preparation {compact(source='digits')}"
    for out, stage in {"data.st": prepare, **STAGES}.items():
        process = start(folder, *stage.split(), "--out", out)
        process.join()
        assert process.exitcode == 0, log(folder)
    assert not states(folder)
    return folder


def log(folder):
    """What the scripts printed."""
    return (folder / "log").read_text()


def states(folder):
    """What is saved of work that is not finished."""
    return set((folder / "checkpoints").rglob("*.safetensors")) - set((folder / "checkpoints").rglob("*.finished.*"))


@pytest.mark.parametrize("out", STAGES)
def test_a_stage_that_is_killed_again_and_again_ends_with_the_same_bytes(start, whole, tmp_path, out):
    for path in whole.glob("*.*"):
        if path.stem != Path(out).stem:
            shutil.copy(path, tmp_path)
    draw, kills = random.Random(out), 0
    while not (tmp_path / out).exists():
        # At first saved at every point; later rarely, so that much is computed twice.
        every, saves = ("0", draw.randint(1, 8)) if kills < 8 else ("0.2", 1)
        kill = {"saves": saves, "delay": draw.uniform(0, 0.3), "ending": draw.choice([signal.SIGTERM, signal.SIGKILL])}
        if kills == 0:  # surely, with work left
            kill = {"saves": 1}
        elif kills in (3, 6):  # before anything is saved
            kill["saves"] = 0
        elif kills == 12:
            kill = {}
        process = start(tmp_path, *STAGES[out].split(), "--save-every", every, "--out", out, **kill)
        process.join()
        # The signal may come before the script has begun to listen, or after its work is done.
        assert process.exitcode in (0, 128 + signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL), log(tmp_path)
        kills += process.exitcode != 0
    assert kills >= 1 and "resumed from" in log(tmp_path), log(tmp_path)
    assert not states(tmp_path)
    if out == "accuracy.csv":
        tables = [pd.read_csv(folder / out).drop(columns="seconds") for folder in (whole, tmp_path)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)
    else:
        assert (tmp_path / out).read_bytes() == (whole / out).read_bytes()
