"""What scripts say when they are called wrongly: one line, and status 1 or 2."""

import shlex
import subprocess
import sys

import pytest
from helpers.calls import call
from helpers.tiny import ROOT
from shared import command

RUN = shlex.split("--dataset d --method m --ipc 2 --seed 0 --out o.csv --data nowhere.safetensors")
ARCHITECTURE = ["--architecture", '{"family": "convnet"}']
DISTILL = ["distill_subset", *RUN, *ARCHITECTURE, "--subset-count", "1"]
TRAJECTORY = [*DISTILL, "--subset", "1", "--objective", "trajectory"]
EVALUATE = ["evaluate", *RUN, *shlex.split("--architecture-name a --matched-on a --selection last --evaluation {}")]
TABLE1 = ["table1", "nowhere.csv", "--methods", "mtt", "--csv", "c.csv", "--published", "p.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*DISTILL, "--subset", "3", "--matching", "{}"], "--subset 3 of --subset-count 1"),
        ([*DISTILL, "--subset", "1", "--ipc", "all", "--matching", "{}"], "at --ipc all: not possible"),
        ([*DISTILL, "--subset", "1", "--ipc", "0", "--matching", "{}"], "expected a number from 1"),
        ([*TRAJECTORY, "--matching", "{}"], "--experts: missing"),
        ([*TRAJECTORY, "--matching", '{"iterations": 0}'], "nowhere.safetensors: there is no such file"),
        ([*DISTILL, "--subset", "1", "--matching", "{}"], "nowhere.safetensors: there is no such file"),
        ([*TRAJECTORY, "--matching", '{"k": 0}'], "--matching: k: Extra inputs"),
        ([*DISTILL, "--subset", "1", "--matching", '{"iterations": 1}'], "--matching: iterations: Extra inputs"),
        ([*TRAJECTORY, "--matching", "{"], "argument --matching: not JSON"),
        ([*EVALUATE, "--architecture", "{}"], "--architecture"),
        ([*EVALUATE, "--architecture", "{"], "--architecture: Expecting"),
        ([*EVALUATE, *ARCHITECTURE], "--evaluation: learning_rate is missing"),
        (TABLE1, "nowhere.csv: there is no such file"),
        (["collect_tables", "nowhere.csv", "--ou", "o.csv"], "are required: --out"),
        (["figure_images", "nowhere.safetensors", "--out", "x.png"], "nowhere.safetensors: there is no such file"),
    ],
)
def test_a_wrong_call_ends_with_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, said = call(*arguments)
    assert status in (1, 2)
    assert message in said.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_wrong_call_from_elsewhere_ends_with_one_line(tmp_path):
    command = [sys.executable, ROOT / "scripts/collect_tables.py", "nowhere.csv", "--out", "o.csv"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == "error: nowhere.csv: there is no such file"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "MemoryError()"), (RuntimeError("CUDA out of memory. Tried 2 GiB\nmore"), "CUDA out of memory.")],
)
def test_out_of_memory_ends_with_what_was_used_and_what_to_lower(monkeypatch, capsys, error, reason):
    def main(args):
        raise error

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(SystemExit) as ended:
        command.run(main, command.parser("A script."))
    last = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 1 and last.startswith(f"error: out of memory ({reason}")
    assert "peak" in last and "GiB of main memory" in last and "lower batch_size, synthetic_batch or the width" in last
