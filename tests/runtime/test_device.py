import os
import signal
import subprocess
import sys

import pytest
import torch
from helpers.tiny import ROOT

from seqmatch.errors import SeqmatchError, ran_out_of_memory
from seqmatch.runtime import gpu_lock
from seqmatch.runtime.device import prepare

HOLD = """
import sys, time
from pathlib import Path
from seqmatch.runtime import gpu_lock
gpu_lock.SECONDS_BETWEEN_TRIES = 0.02
print(gpu_lock.claim(["0", "GPU-b"], Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path):
    """Start a process that claims one of two GPUs."""
    processes = []

    def start():
        command = [sys.executable, "-c", HOLD, str(tmp_path / "locks")]
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


def test_gpus_are_named_as_the_environment_names_them(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_lock.visible(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-1a/2")
    assert gpu_lock.visible(2) == ["3", "GPU-1a/2"]
    assert gpu_lock.visible(1) == ["3"]


@pytest.fixture
def fake_gpus(monkeypatch, tmp_path):
    """Two GPUs that are not there; returns which one was set."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(gpu_lock.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    yield chosen
    while gpu_lock._held:
        os.close(gpu_lock._held.pop())


def test_a_process_with_a_gpu_computes_on_one_that_is_free(fake_gpus):
    devices = [prepare(1, torch.get_num_threads()) for _ in range(2)]
    assert [str(device) for device in devices] == ["cuda:0", "cuda:1"] and fake_gpus == [0, 1]


def test_in_a_slurm_job_the_gpu_is_that_of_the_job(fake_gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
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
