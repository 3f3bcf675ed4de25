import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from helpers.tiny import ROOT

from seqmatch.errors import SeqmatchError, ran_out_of_memory
from seqmatch.runtime import gpu_lock
from seqmatch.runtime.device import prepare

HOLD = """
import time
from seqmatch.runtime import gpu_lock
gpu_lock.SECONDS_BETWEEN_TRIES = 0.02
print(gpu_lock.claim(["0", "GPU-b"]), flush=True)
time.sleep(60)
"""


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """The folder of this user's lock files."""
    folder = tmp_path / "locks"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def hold(locks):
    """Start a process that claims one of two GPUs."""
    processes = []

    def start():
        command = [sys.executable, "-c", HOLD]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_each_process_has_a_gpu_of_its_own_until_it_dies(hold, death):
    first, second = hold(), hold()
    taken = [process.stdout.readline().strip() for process in (first, second)]
    assert sorted(taken) == ["0", "1"]
    third = hold()
    assert third.stderr.readline() == "waiting for a free GPU among 0, GPU-b\n"
    second.send_signal(death)
    second.wait()
    assert third.stdout.readline().strip() == taken[1]


@pytest.fixture
def releases():
    """Locks that this process holds afterwards are given up."""
    yield
    while gpu_lock._held:
        os.close(gpu_lock._held.pop())


def test_a_lock_file_that_is_deleted_under_its_holder_is_not_claimed_twice(hold, locks, releases):
    first = hold()
    assert first.stdout.readline().strip() == "0"
    (lock,) = locks.iterdir()
    lock.unlink()
    assert gpu_lock.claim(["0", "GPU-b"]) == 1
    first.kill()
    first.wait()
    assert gpu_lock.claim(["0", "GPU-b"]) == 0


def test_a_lock_file_that_is_deleted_before_it_is_locked_is_not_held(tmp_path, monkeypatch, releases):
    import fcntl

    path, flock = tmp_path / "0.lock", fcntl.flock

    def late(lock, how):
        path.unlink()
        flock(lock, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", late)
        assert gpu_lock._lock(path) is None
    gpu_lock._held.append(gpu_lock._lock(path))
    assert gpu_lock._held != [None]


def test_locks_lie_where_nobody_else_can_write(tmp_path, monkeypatch):
    mine, fallback = tmp_path / "runtime", tmp_path / f"seqmatch-gpus-{os.getuid()}"
    mine.mkdir(mode=0o700)
    monkeypatch.setattr(gpu_lock.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(mine))
    assert gpu_lock.private_folder() == mine
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", mine.name)  # another folder for every job that runs elsewhere
    assert gpu_lock.private_folder().is_absolute()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(mine))
    monkeypatch.setattr(gpu_lock, "_is_private", lambda folder, check=gpu_lock._is_private: (
        "/run/user" not in str(folder) and check(folder)))  # fmt: skip
    for unfit in ("chmod", "gone", "a file"):
        if unfit == "chmod":
            mine.chmod(0o777)
        else:
            mine.rmdir() if unfit == "gone" else mine.touch()
        assert gpu_lock.private_folder() == fallback
        assert fallback.stat().st_mode & 0o777 == 0o700
    with monkeypatch.context() as patch:  # as if another user had made it first
        other = os.getuid() + 1
        patch.setattr(gpu_lock.os, "getuid", lambda: other)
        fallback.rename(tmp_path / f"seqmatch-gpus-{os.getuid()}")
        with pytest.raises(SeqmatchError, match=r"not a folder that you alone can write into.*set XDG_RUNTIME_DIR"):
            gpu_lock.private_folder()
    fallback.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(SeqmatchError, match="not a folder that you alone can write into"):
        gpu_lock.private_folder()


@pytest.fixture
def fake_gpus(monkeypatch, tmp_path, releases):
    """Two GPUs that are not there; returns which one was set."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}"))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(gpu_lock, "private_folder", lambda: tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return chosen


@pytest.mark.parametrize("allocation", [False, True])
def test_a_process_with_a_gpu_computes_on_one_that_is_free(fake_gpus, monkeypatch, allocation):
    """Also where several jobs share a SLURM allocation of several GPUs."""
    if allocation:
        monkeypatch.setenv("SLURM_JOB_ID", "7")
    devices = [prepare(1, torch.get_num_threads()) for _ in range(2)]
    assert [str(device) for device in devices] == ["cuda:0", "cuda:1"] and fake_gpus == [0, 1]


def test_a_gpu_is_the_same_one_however_a_process_sees_it(fake_gpus, monkeypatch):
    assert str(prepare(1, torch.get_num_threads())) == "cuda:0"
    seen = {0: SimpleNamespace(uuid="GPU-0"), 1: SimpleNamespace()}  # as its only one but for one without a UUID
    monkeypatch.setattr(torch.cuda, "get_device_properties", seen.get)
    assert str(prepare(1, torch.get_num_threads())) == "cuda:1"


def test_in_a_slurm_job_with_one_gpu_it_is_that_of_the_job(fake_gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert str(prepare(1, torch.get_num_threads())) == "cuda" and not fake_gpus


def test_a_gpu_that_is_demanded_and_missing_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SeqmatchError, match=r"PyTorch sees none.*set device: cpu"):
        prepare(1, torch.get_num_threads())


def test_memory_errors_are_told_from_others():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert ran_out_of_memory(RuntimeError("could not create a primitive descriptor"))  # oneDNN's way to say it
    assert ran_out_of_memory(RuntimeError("std::bad_alloc"))
    assert ran_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert ran_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"))
    assert not ran_out_of_memory(RuntimeError("shape"))
