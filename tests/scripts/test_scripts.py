"""What scripts say when they are called wrongly: one line, and status 1 or 2."""

import errno
import io
import os
import shlex
import subprocess
import sys

import pytest
from helpers.calls import call
from helpers.tiny import ROOT
from shared import command

from seqmatch.errors import SeqmatchError

RUN = shlex.split("--dataset d --method m --ipc 2 --seed 0 --out o.csv --data nowhere.safetensors")
ARCHITECTURE = ["--architecture", '{"family": "convnet"}']
DISTILL = ["distill_subset", *RUN, *ARCHITECTURE, "--subset-count", "1"]
TRAJECTORY = [*DISTILL, "--subset", "1", "--objective", "trajectory"]
EVALUATE = ["evaluate", *RUN, *shlex.split("--architecture-name a --matched-on a --selection last --evaluation {}")]
ROUND = ["--subset-out", "s.safetensors", "--until"]
LAST_TWICE = shlex.split("--also last --snapshots s.safetensors --scores s.csv")
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
        ([*TRAJECTORY, "--matching", '{"k": 0}'], "--matching: k: unknown key"),
        ([*DISTILL, "--subset", "1", "--matching", '{"iterations": 1}'], "--matching: iterations: unknown key"),
        ([*TRAJECTORY, "--matching", "{}", "--sizes", "1", "1"], "--sizes: 2 numbers for 1 subsets"),
        ([*TRAJECTORY, "--matching", "{}", "--sizes", "1"], "--sizes: 2 images per class cannot be divided into 1"),
        ([*TRAJECTORY, "--matching", "{}", "--until", "3"], "--until and --subset-out go together"),
        ([*TRAJECTORY, "--matching", "{}", *ROUND, "5000"], "--until 5000: expected fewer than the 5000 iterations"),
        ([*DISTILL, "--subset", "1", "--matching", "{}", *ROUND, "0"], "--until 0: expected fewer than the 0"),
        ([*TRAJECTORY, "--matching", "{}", "--state", "a", "b"], "--state: one file at most"),
        ([*TRAJECTORY, "--matching", "{"], "argument --matching: '{': not JSON"),
        ([*EVALUATE, "--architecture", "{}"], "--architecture"),
        ([*EVALUATE, "--architecture", "{"], "--architecture: '{': not JSON that can be used: Expecting"),
        ([*EVALUATE, *ARCHITECTURE], "--evaluation: learning_rate is missing"),
        ([*EVALUATE, *ARCHITECTURE, *LAST_TWICE], "--selection and --also: each selection once"),
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
    assert "peak" in last and "GiB of main memory" in last and ": batch_size, synthetic_batch, the width" in last


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_no_name_ends_a_message_with_an_error_or_steers_the_terminal(monkeypatch, encoding):
    def main(args):
        print("é 猫 \udce9 \x1b[31m\t\u202e \x9b2J c\rd")
        print("\r 50%", file=sys.stderr)
        raise SeqmatchError("\x1b]0;title\x07: no such class\nsecond line")

    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding, newline="") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(SystemExit):
        command.run(main, command.parser("A script."))
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in map(_flushed, streams.values()))
    names = "é 猫".encode(encoding, "backslashreplace").decode(encoding)
    assert out == f"{names} \\udce9 \\x1b[31m\t\\u202e \\x9b2J c\\rd\n"
    assert err.splitlines(keepends=True)[1:] == [
        "\r",
        " 50%\n",
        "error: \\x1b]0;title\\x07: no such class\n",
        "second line\n",
    ]


def _flushed(stream):
    stream.flush()
    return stream


@pytest.fixture
def run_function(monkeypatch):
    """Run a command that consists of a function, in this process."""

    def run(main):
        monkeypatch.setattr(sys, "argv", ["script"])
        monkeypatch.setattr(sys, "stderr", sys.stderr)  # put back afterwards
        command.run(lambda args: main(), command.parser("A script."))

    return run


class Full(io.StringIO):
    def write(self, *text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    flush = write


@pytest.mark.parametrize("log", [Full(), None], ids=["full", "closed"])
def test_a_log_that_cannot_be_written_ends_no_work(run_function, monkeypatch, log):
    done = []

    def main():
        print("warning: of any module", file=sys.stderr, flush=True)
        done.append(True)

    monkeypatch.setattr(sys, "stderr", log)
    run_function(main)
    assert done


def test_a_system_error_names_the_file_and_says_what_the_system_says(run_function, capsys):
    def main():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results/a.csv")

    with pytest.raises(SystemExit):
        run_function(main)
    assert capsys.readouterr().err.splitlines()[-1] == "error: results/a.csv: No space left on device"


def test_what_was_finished_before_ends_well(run_function, capsys):
    def main():
        raise command.Finished

    run_function(main)
    assert capsys.readouterr().err.splitlines()[-1] == command.DONE
