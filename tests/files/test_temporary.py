import os
import platform
import subprocess

import pytest

from seqmatch.files.temporary import temporary_folder


def test_a_folder_is_gone_afterwards_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), temporary_folder(tmp_path / "new", "unpacked") as folder:
        (folder / "file").touch()
        raise ZeroDivisionError
    assert list((tmp_path / "new").iterdir()) == []


def test_those_of_dead_processes_of_this_machine_are_removed(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        pass
    here = platform.node()
    dead = [f".unpacked.{here}.{ended.pid}.tmp", f".unpacked.{here}.{os.getpid()}.tmp"]
    others = [f".unpacked.{here}.{os.getppid()}.tmp", f".arriving.{here}.{ended.pid}.tmp", f".unpacked.{here}.x.tmp"]
    others += [f".unpacked.another-machine.{ended.pid}.tmp", "images.gz"]
    for name in (*dead, *others):
        (tmp_path / name / "within").mkdir(parents=True)
    with temporary_folder(tmp_path, "unpacked"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
