"""What jobs need of the place where Snakemake was started: a folder to write in, a user with a name, and `python` on
the PATH, which need not be the one that runs Snakemake. Imports no torch."""

import getpass
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from seqmatch.config import Experiment
from seqmatch.errors import SeqmatchError

PROBE = "import importlib.util as u; raise SystemExit(not all(map(u.find_spec, ('torch', 'pydantic', 'safetensors'))))"

CPU = Path("/proc/cpuinfo")
MULTIPLIES_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""What Linux calls it, the last on ARM."""


def check_writable() -> None:
    """Say in one line that Snakemake cannot work here, since it writes even where it only plans or reports.

    Raises:
        SeqmatchError: its records, or the folder that it runs in, cannot be written.
    """
    records = Path(".snakemake")
    here = records if records.is_dir() else Path()
    if not os.access(here, os.W_OK):
        raise SeqmatchError(
            f"{here.resolve()}: cannot write here, and Snakemake does, even for -n and --report; `tools/status.py` "
            "only reads; for anything else make a copy (cp -rp), or name another folder with --directory"
        )


def name_user() -> None:
    """A user without a name, as in a container, gets a number for it: Snakemake and PyTorch's compiler ask for one."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def find_shared(scripts: Path) -> None:
    """Have jobs import what lies beside their script where PYTHONSAFEPATH takes its folder off Python's path."""
    if os.environ.get("PYTHONSAFEPATH"):
        paths = filter(None, [str(scripts), os.environ.get("PYTHONPATH")])
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def put_on_path() -> None:
    """Have `python` be one that has what jobs need: the one that is active if it has, else the one that runs this.

    Raises:
        SeqmatchError: neither has.
    """
    active, own = which("python"), sys.executable
    if active is not None and Path(active).parent == Path(own).parent and find_spec("torch"):
        return
    for python in filter(None, (active, own)):
        if subprocess.run([python, "-c", PROBE], capture_output=True).returncode == 0:
            os.environ["PATH"] = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
            return
    raise SeqmatchError(
        f"neither the active Python ({active or 'none'}) nor that of Snakemake ({own}) has PyTorch and what else jobs "
        "need; run `uv run snakemake …` in the checkout, activate its environment, or add `--sdm conda`"
    )


def slow_arithmetic(experiment: Experiment) -> str:
    """A warning, if networks are to train in bfloat16 and this processor cannot multiply it; else nothing.

    Of a system that does not say what its processors can, nothing is known.
    """
    trainings = [*experiment.config.experts.values()]
    for run in experiment.runs.values():
        learners = (getattr(stage, "learner", None) for stage in run.stages)
        trainings += [run.evaluation, *filter(None, learners)]
    if all(training.precision != "bfloat16" for training in trainings):
        return ""
    try:
        known = set(CPU.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ""
    if known & MULTIPLIES_BFLOAT16:
        return ""
    return (
        "precision: bfloat16 is slow here, some ten times slower than float32: this machine's processor does not "
        "multiply it (`lscpu` says neither avx512_bf16 nor amx_bf16 nor bf16)"
    )
