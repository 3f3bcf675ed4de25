"""A real SLURM cluster of one machine with two fake GPUs, for as long as a test needs it.

Its configuration lies in /etc/slurm, because jobs of Snakemake's plugin look nowhere else. Everything else (munge's key
and socket, states, logs) lies in a temporary folder, and everything listens on this machine's own address.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
GPUS = CONFIGURATION.with_name("gres.conf")
OURS = "# A test cluster of seqmatch's tests/helpers/cluster.py, removed when its test ends.\n"
FOLDERS = f"{tempfile.gettempdir()}/seqmatch-slurm-"
MARK = "SEQMATCH_TEST_CLUSTER"  # in the environment of all that belongs to the cluster
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")

SLURM_CONF = """\
ClusterName=seqmatch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthInfo=socket={folder}/munge.socket,cred_expire=10
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
KillWait=5
MinJobAge=86400
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 Gres=gpu:2
PartitionName=cpu Nodes=ALL Default=YES
PartitionName=gpu Nodes=ALL
"""
GRES_CONF = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def obstacle() -> str | None:
    """Why no cluster can be started here; None where one can."""
    if os.geteuid() != 0:
        return "a SLURM cluster is started by root alone"
    if missing := [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]:
        return f"SLURM's and munge's programs are needed; missing: {', '.join(missing)}"
    if foreign := [path for path in (CONFIGURATION, GPUS) if path.exists() and not path.read_text().startswith(OURS)]:
        return f"{foreign[0]} belongs to a cluster of this machine, which is left alone"
    return None


@contextlib.contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start the cluster, and end every process of it and of its jobs afterwards; one at a time on a machine.

    Yields:
        environment variables that a process must have to be ended too.
    """
    with _alone(), _folder() as folder, contextlib.ExitStack() as daemons:
        try:
            _end_all()  # what an interrupted test left
            _configure(folder)
            for command in _commands(folder):
                daemons.enter_context(_start(command, folder))
            _wait_for_node(folder)
            yield {MARK: "1"}
        finally:
            _end_all()
            for path in (CONFIGURATION, GPUS):
                path.unlink(missing_ok=True)


def jobs() -> dict[str, list[dict[str, str]]]:
    """Every job of the last day, oldest first, by its comment: the rule and its wildcards."""
    found: dict[str, list[dict[str, str]]] = {}
    fields = {"id": "%i", "state": "%T", "memory": "%m", "time": "%l", "comment": "%k"}
    lines = call("squeue", "--noheader", "--states=all", "--sort=i", f"--format={'|'.join(fields.values())}")
    for line in lines.splitlines():
        job = dict(zip(fields, line.split("|"), strict=True))
        found.setdefault(job.pop("comment"), []).append(job)
    return found


def call(*command: str) -> str:
    """The output of one of SLURM's programs."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(what: Callable, purpose: str, seconds: float = 120):
    """What `what` returns, once it is something."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited {seconds} s for {purpose}"
        time.sleep(0.2)
    return found


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Holds the folder of the configuration, into which root alone can write."""
    CONFIGURATION.parent.mkdir(exist_ok=True)
    lock = os.open(CONFIGURATION.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A short path, as sockets need one; readable by munge's clients."""
    with tempfile.TemporaryDirectory(prefix=Path(FOLDERS).name) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host = socket.gethostname().split(".")[0]
    CONFIGURATION.write_text(OURS + SLURM_CONF.format(host=host, folder=folder, ports=_free_ports(2)))
    GPUS.write_text(OURS + GRES_CONF)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _commands(folder: Path) -> Iterator[list[str]]:
    files = {name: f"{folder}/munge.{name.removesuffix('-file')}" for name in ("key-file", "pid-file", "seed-file")}
    yield ["munged", "--foreground", f"--socket={folder}/munge.socket", *(f"--{n}={file}" for n, file in files.items())]
    wait_for((folder / "munge.socket").exists, "munge's socket")
    yield ["slurmctld", "-D"]
    yield ["slurmd", "-D"]


def _start(command: list[str], folder: Path) -> subprocess.Popen:
    with (folder / f"{command[0]}.log").open("w") as log:
        environment = os.environ | {MARK: "1", "PATH": _path()}
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def _wait_for_node(folder: Path) -> None:
    def ready():
        return "idle" in subprocess.run(["sinfo", "--format=%t"], capture_output=True, text=True).stdout

    try:
        wait_for(ready, "the node", 60)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *(log.read_text() for log in folder.glob("*.log"))])) from None


def _end_all() -> None:
    """End each process of ours by its number: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _ours():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + 10
        while _ours() and time.monotonic() < end:
            time.sleep(0.1)


def _ours() -> list[int]:
    """Living processes of a cluster and of its jobs: by the environment, or by the folder where that is overwritten."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            dead = process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
            marked = f"{MARK}=1\0".encode() in process.joinpath("environ").read_bytes()
            if not dead and (marked or os.readlink(process / "cwd").startswith(FOLDERS)):
                found.append(int(process.name))
    return found
