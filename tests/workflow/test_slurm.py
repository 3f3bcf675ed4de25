"""The workflow on a SLURM cluster: a real one, of this machine alone, with two fake GPUs."""

import copy
import importlib.util
import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from shutil import which

import pytest
import yaml
from helpers.cluster import call, cluster, jobs, obstacle, wait_for
from helpers.snakemake import EVERYTHING, TINY, copy_project, run, snakemake
from helpers.tiny import ROOT

from seqmatch.planning.jobs import RULES

PLUGIN = importlib.util.find_spec("snakemake_executor_plugin_slurm")
OBSTACLE = "no SLURM plugin; call `uv run --extra slurm pytest`" if PLUGIN is None else obstacle()
PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
TARGET = "results/table1.csv"
CHAIN = "results/digits/seqmatch-mtt/ipc2/seed0/accuracy/convnet.csv"
"""Its eight jobs, one after the other, are one of each rule that a cluster runs for the main table."""
# This cluster keeps no accounts, so its jobs' states come from `squeue`; real clusters deserve more patience.
HERE = (
    *PROFILE,
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=1",
)
TRAINING = {name for name, rule in RULES.items() if rule.trains}

needs_plugin = pytest.mark.skipif(PLUGIN is None, reason="no SLURM plugin")
needs_cluster = pytest.mark.skipif(OBSTACLE is not None, reason=str(OBSTACLE))


@pytest.fixture(scope="module")
def slurm():
    """A cluster; starts Snakemake on it in the background."""
    with cluster() as environment:

        def start(folder: Path, *arguments: str) -> Future:
            return ThreadPoolExecutor(1).submit(snakemake, folder, *arguments, **environment)

        yield start


def planned(folder: Path, *arguments: str) -> dict[str, dict[str, str]]:
    """Resources by rule, of that of its jobs which asks for most memory: their order differs from call to call."""
    text = snakemake(folder, "-n", "all", *PROFILE, *arguments).stdout
    found = re.findall(r"^(?:local)?rule (\w+):\n(?: .*\n)*?    resources: (.*)$", text, flags=re.MULTILINE)
    jobs = [(rule, dict(each.split("=", 1) for each in resources.split(", "))) for rule, resources in found]

    def asked(job: tuple[str, dict[str, str]]) -> int:
        memory = job[1].get("mem_mb", "")
        return int(memory) if memory.isdigit() else 0  # of some it is not known yet

    return dict(sorted(jobs, key=asked))


def contents(folder: Path) -> dict[Path, object]:
    """Every result but the benchmarks, without the times that evaluation took."""
    paths = sorted(path.relative_to(folder) for path in folder.glob("results/**/*") if path.is_file())
    return {path: timeless(folder / path) for path in paths if "benchmarks" not in path.parts}


def timeless(path: Path) -> object:
    content = path.read_bytes()
    if content.partition(b"\n")[0].endswith(b",seconds"):
        return [line.rpartition(b",")[0] for line in content.splitlines()]
    if path.suffix == ".json":
        header = json.loads(content)
        inputs = {name: "accuracy/" in name or digest for name, digest in header["inputs"].items()}
        return header | {"inputs": inputs, "checksum": "of the table, which is compared itself"}
    return content


def finished_here(folder: Path, target: str) -> Path:
    """Where `target` was made locally: this checkout, if its results are those of today's code."""
    if which("nvidia-smi") is None and "Nothing to be done" in snakemake(ROOT, "-n", target).stderr:
        return ROOT
    copy = copy_project(folder / "here", yaml.safe_load((ROOT / "config.yaml").read_text()))
    run(copy, target, "--config", "device=cpu")
    return copy


@needs_plugin
def test_what_trains_asks_for_a_gpu_and_a_retry_for_more(tmp_path):
    folder = copy_project(tmp_path, EVERYTHING)
    first, second = planned(folder), planned(folder, "--attempt", "2")
    for rule in TRAINING | {"prepare_dataset", "cluster_difficulty"}:
        assert first[rule]["slurm_partition"] == ("gpu" if rule in TRAINING else "cpu")
        assert first[rule].get("gpu") == ("1" if rule in TRAINING else None)
        for resource in ("mem_mb", "runtime"):
            assert int(second[rule][resource]) == 2 * int(first[rule][resource]) > 0


@pytest.mark.slow
def test_other_resources_repeat_nothing(finished):
    other = ("evaluate:mem_mb=9000", "evaluate:gpu=1", "distill_subset:runtime=5", "train_experts:slurm_partition=x")
    assert "Nothing to be done" in run(finished, "all", "--set-resources", *other)


@pytest.mark.slow
@needs_cluster
def test_each_of_two_jobs_has_a_gpu_of_its_own(slurm, tmp_path):
    """With a rule of one line in place of training: this machine's GPUs are fake."""
    folder = copy_project(tmp_path, TINY)
    (folder / "workflow/Snakefile").write_text(
        "rule train_experts:\n"
        "    output: 'gpu{shard}'\n"
        "    resources: gpu=1, mem_mb=100, runtime=5\n"
        "    shell: 'echo $CUDA_VISIBLE_DEVICES > {output}; sleep 10'\n"
    )
    result = slurm(folder, "gpu0", "gpu1", *HERE).result()
    assert result.returncode == 0, result.stderr
    assert {(folder / f"gpu{shard}").read_text() for shard in (0, 1)} == {"0\n", "1\n"}


@pytest.mark.slow
@needs_cluster
@pytest.mark.parametrize("target", [CHAIN, TARGET], ids=["one-chain", "whole"])
def test_the_default_experiment_has_the_bytes_of_a_local_run(slurm, tmp_path, target):
    there = copy_project(tmp_path / "there", yaml.safe_load((ROOT / "config.yaml").read_text()))
    result = slurm(there, target, *HERE, "--config", "device=cpu")
    here = finished_here(tmp_path, target)
    assert result.result().returncode == 0, result.result().stderr
    found, expected = contents(there), contents(here)
    assert found == {path: expected[path] for path in found} and Path(target) in found
    assert "Nothing to be done" in run(there, target)


@pytest.mark.slow
@needs_cluster
def test_a_cancelled_and_a_requeued_job_go_on_to_the_same_bytes(slurm, tmp_path):
    configuration = copy.deepcopy(TINY)
    configuration["matching"]["iterations"] = 1000
    methods = {"cancelled": {"backbone": "mtt"}, "requeued": {"backbone": "mtt"}}
    configuration["cells"] = [{"dataset": "digits", "ipc": 3, "methods": methods}]
    here, there = (copy_project(tmp_path / name, configuration) for name in ("here", "there"))
    result = slurm(there, TARGET, *HERE, "--config", "device=cpu")
    local = ThreadPoolExecutor(1).submit(run, here, TARGET, "--config", "device=cpu")

    def comment(method: str) -> str:
        return f"rule_distill_subset_wildcards_digits_{method}_3_0_1"

    def log(method: str) -> str:
        path = there / f"logs/digits/{method}/ipc3/seed0/snapshots1.log"
        return path.read_text() if path.exists() else ""

    def distils(method: str) -> bool:
        assert not result.done(), result.result().stderr
        return re.search(r" [1-9]\d*/1000 ", log(method)) is not None

    for method, interrupt in (("cancelled", ["scancel"]), ("requeued", ["scontrol", "requeue"])):
        wait_for(lambda m=method: distils(m), f"{method} to distil", 900)
        call(*interrupt, jobs()[comment(method)][-1]["id"])
    assert result.result().returncode == 0, result.result().stderr
    first, second = jobs()[comment("cancelled")]
    assert (first["state"], second["state"]) == ("CANCELLED", "COMPLETED")
    asked, again = (int(job["memory"].removesuffix("M")) for job in (first, second))
    assert again == 2 * asked >= 4000
    assert [job["time"] for job in (first, second)] == ["12:00:00", "1-00:00:00"]
    (only,) = jobs()[comment("requeued")]
    assert only["state"] == "COMPLETED" and "Restarts=1" in call("scontrol", "show", "job", only["id"])
    assert "resumed from checkpoints/" in log("cancelled") and "resumed from checkpoints/" in log("requeued")
    local.result()
    assert contents(there) == contents(here)
