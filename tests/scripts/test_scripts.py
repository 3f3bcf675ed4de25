"""What scripts say when they are called wrongly: one line, and status 1 or 2."""

import shlex
import subprocess
import sys

import pytest
from helpers.tiny import ROOT
from shared import command

DISTILL = shlex.split(
    "--dataset d --method m --ipc 2 --seed 0 --checkpoints c --out o --data nowhere.safetensors "
    """--network '{"family": "convnet"}'"""
)
EVALUATE = shlex.split(
    "--dataset d --method m --ipc 2 --seed 0 --architecture a --matched-on a --selection last --out o"
)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (
            "distill_subset",
            [*DISTILL, "--subset", "3", "--subsets", "2", "--settings", "{}"],
            "--subset 3 of --subsets 2",
        ),
        ("distill_subset", [*DISTILL, "--subset", "1", "--subsets", "1", "--settings", "{}"], "--experts: missing"),
        (
            "distill_subset",
            [*DISTILL, "--subset", "1", "--subsets", "1", "--settings", '{"iterations": 0}'],
            "nowhere.safetensors: there is no such file",
        ),
        ("distill_subset", [*DISTILL, "--subset", "1", "--subsets", "1", "--settings", '{"k": 0}'], "k: Extra inputs"),
        ("distill_subset", [*DISTILL, "--subset", "1", "--subsets", "1", "--settings", "{"], "not JSON"),
        ("evaluate", [*EVALUATE, "--network", "{}", "--evaluation", "{}", "--data", "x"], "--network"),
        (
            "table1",
            [
                "nowhere.csv",
                "--methods",
                "mtt",
                "--csv",
                "c",
                "--markdown",
                "m",
                "--latex",
                "t",
                "--published",
                "p.csv",
                "--html",
                "h.html",
            ],
            "nowhere.csv",
        ),
        ("figure_images", ["nowhere.safetensors", "--out", "x.png"], "nowhere.safetensors: there is no such file"),
    ],
)
def test_a_wrong_call_ends_with_one_line(tmp_path, script, arguments, message):
    command = [sys.executable, ROOT / "scripts" / f"{script}.py", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "MemoryError()"), (RuntimeError("CUDA out of memory. Tried 2 GiB\nmore"), "CUDA out of memory.")],
)
def test_want_of_memory_ends_with_what_was_used_and_what_to_lower(monkeypatch, capsys, error, reason):
    def main(args):
        raise error

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(SystemExit) as ended:
        command.run(main, command.parser("A script."))
    last = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 1 and last.startswith(f"error: out of memory ({reason}")
    assert "peak" in last and "GiB of main memory" in last and "lower batch_size, synthetic_batch or the width" in last
