"""What machines and people do to a run: the message is clear, and nothing is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.archives import encoded, noise
from helpers.snakemake import TINY, command_line, configure, copy_project, run, snakemake
from helpers.tiny import ROOT

from seqmatch.data.sources import published_files

pytestmark = pytest.mark.slow

MTT = Path("results/digits/mtt/ipc3/seed0")


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished project, to damage."""
    return Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))


def test_a_damaged_input_is_named_and_made_again_when_deleted(folder):
    """One bit is another; cuts and other bits are `test_store.py`'s."""
    data, target = folder / "results/digits/data.safetensors", str(MTT / "accuracy/convnet.csv")
    content, times = bytearray(data.read_bytes()), data.stat()
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = (folder / target).read_bytes()
    result = snakemake(folder, "--cores", "1", target, "--forcerun", "evaluate")
    assert result.returncode != 0 and "have changed: 1 of evaluate" in result.stdout + result.stderr
    log = "logs/digits/mtt/ipc3/seed0/accuracy/convnet.log"
    line = (folder / log).read_text().splitlines()[-1]
    assert line.startswith("error: results/digits/data.safetensors: damaged") and "delete it and run again" in line
    assert f"{log}: {line}\nWhat messages mean: " in result.stdout + result.stderr
    data.unlink()
    run(folder, target)
    assert without_seconds((folder / target).read_bytes()) == without_seconds(before)


def without_seconds(table: bytes) -> list[bytes]:
    return [line.rpartition(b",")[0] for line in table.splitlines()]


@pytest.mark.parametrize(
    ("disk_is", "reason", "begun"),
    [("size=16k", "No space left on device", True), ("ro", "Read-only file system", False)],
)
def test_a_full_or_unwritable_disk_is_an_error_of_one_line_and_nothing_half_written_stays(
    folder, tmp_path, disk_is, reason, begun
):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", disk_is, "tmpfs", disk]).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        script = [sys.executable, "scripts/train_experts.py", "--data", "results/digits/data.safetensors"]
        settings = [
            "--recipe",
            '{"architecture": "c"}',
            "--architecture",
            '{"family": "convnet", "width": 16, "depth": 2}',
        ]
        rest = ["--epochs", "2", "--shard", "0", "--name", "n", "--save-every", "0"]
        places = ["--checkpoints", disk / "checkpoints", "--out", disk / "shard.safetensors"]
        result = subprocess.run([*script, *settings, *rest, *places], cwd=folder, capture_output=True, text=True)
        assert result.returncode == 1 and "Traceback" not in result.stderr
        assert ("warning: no checkpoint was saved" in result.stderr) == ("experts:" in result.stderr) == begun
        last = result.stderr.splitlines()[-1]
        assert last.startswith("error: ") and f"{disk}/" in last and "shard.safetensors" in last and reason in last
        assert not [path for path in disk.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on(tmp_path):
    folder = copy_project(tmp_path / "project", TINY)
    command, environment = command_line("--cores", "1", "results/digits/data.safetensors")
    first = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list((folder / ".snakemake/locks").glob("*")):
        time.sleep(0.05)
    second = snakemake(folder, "--cores", "1", "results/digits/data.safetensors")
    assert second.returncode != 0 and "locked" in second.stderr.lower()
    assert first.wait() == 0


def test_a_run_that_is_told_to_end_saves_and_goes_on(finished, tmp_path):
    """Ctrl-C in a terminal reaches Snakemake and its jobs alike."""
    folder = copy_project(tmp_path / "project", TINY)
    target = str(MTT / "snapshots1.safetensors")
    run(folder, "results/digits/experts/convnet/shard0.safetensors")
    configuration = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(configuration.replace("iterations: 20", "iterations: 400"))
    command, environment = command_line("--cores", "1", target)
    log = folder / "logs/digits/mtt/ipc3/seed0/snapshots1.log"
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as in a terminal
    )
    while not (log.exists() and re.search(r" [1-9]\d*/400 ", log.read_text())):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.wait()
    assert "ended by SIGINT" in log.read_text() and "state saved in checkpoints/" in log.read_text()
    run(folder, target)
    assert "resumed from checkpoints/" in log.read_text()
    assert not list((folder / "checkpoints").rglob("*.safetensors"))


def test_strange_places_change_nothing(finished, tmp_path):
    """Spaces and quotes in the path, a symbolic link to it, and a home that cannot be written.

    Snakemake itself needs a cache that can.
    """
    real = copy_project(tmp_path / "it's a $(strange) place", TINY)
    link = tmp_path / "link to it"
    link.symlink_to(real, target_is_directory=True)
    run(
        link,
        str(MTT / "accuracy/convnet.csv"),
        "results/table4.csv",
        HOME="/proc/nowhere",
        XDG_CACHE_HOME=str(tmp_path),
    )
    for name in ("subset1.safetensors", "scores1.csv"):
        assert (real / MTT / name).read_bytes() == (finished / MTT / name).read_bytes()
    assert (real / "results/table4.csv").read_bytes() == (finished / "results/table4.csv").read_bytes()


@pytest.mark.parametrize("name", ['it\'s $(touch PWNED) "`touch PWNED`"; touch PWNED', "--out=PWNED {input} * \\"])
def test_strange_places_in_the_configuration_are_read_and_never_run(tmp_path, name):
    files = [file.name for file in published_files("mnist")]
    folder = copy_project(tmp_path / "project", TINY)
    place = folder / name
    for path in (*files, *(f"{label}/{index}.png" for label in "ab" for index in range(20))):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(encoded(noise(8, 8), "PNG"))
    mine = {"source": "imagefolder", "path": name, "channels": 1}
    configure(
        folder, TINY | {"datasets": {"digits": mine, "m": {"source": "mnist"}}, "data": {"mirrors": {"mnist": [name]}}}
    )
    run(folder, "data/mnist/files.json", "results/digits/data.safetensors")
    assert sorted(json.loads((folder / "data/mnist/files.json").read_text())) == sorted(files)
    assert not list(tmp_path.rglob("PWNED"))


def test_times_of_files_that_make_no_sense_repeat_nothing_small(folder):
    """A clock that was wrong: inputs newer than what was made from them, with the same content."""
    later = time.time() + 1e6
    os.utime(folder / "results/digits/data.safetensors", (later, later))
    os.utime(folder / MTT / "subset1.safetensors", (0, 0))
    assert "Nothing to be done" in run(folder, "all")


def test_the_scripts_run_from_any_folder(finished, tmp_path):
    script = ROOT / "scripts/prepare_dataset.py"
    settings = ["--dataset", "digits", "--preparation", '{"source": "digits", "augmentation": ["crop", "scale"]}']
    subprocess.run([sys.executable, script, *settings, "--out", "d"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "d").read_bytes() == (finished / "results/digits/data.safetensors").read_bytes()
