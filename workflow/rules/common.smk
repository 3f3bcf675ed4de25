# The configuration as typed models, and the look-ups that rules share. Imports no torch.
import os
import sys
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from seqmatch import config as vocabulary
from seqmatch.errors import SeqmatchError
from seqmatch.sources import sources_of

try:
    CONFIG = vocabulary.load(config)
except SeqmatchError as error:
    raise WorkflowError(f"the configuration cannot be used:\n{error}")

RUNS = vocabulary.runs(CONFIG)
# A cluster's login node may have no GPU: say `device: cuda` there.
GPU = int(
    CONFIG.device == "cuda"
    or (CONFIG.device == "auto" and Path("/dev/nvidia0").exists())
)
RUN = "results/{dataset}/{method}/ipc{ipc}/seed{seed}"
DATA = "results/{dataset}/data.safetensors"


wildcard_constraints:
    dataset=vocabulary.NAME,
    method=vocabulary.NAME,
    ipc=r"[1-9]\d*|all",
    seed=r"\d+",
    subset=r"[1-9]\d*",
    shard=r"\d+",
    recipe=vocabulary.NAME,
    architecture=vocabulary.NAME,


def sources(rule_name):
    """The rule's script first, then the modules it runs: an edit to one of them reruns the rule."""
    script = ROOT / "scripts" / f"{rule_name}.py"
    modules = [path for path in sources_of(script) if path != script]
    return [os.path.relpath(path) for path in (script, *modules)]


def run_of(wildcards):
    return RUNS[wildcards.dataset, wildcards.method, wildcards.ipc]


def stage_of(wildcards):
    """Settings of the subset that the wildcards name."""
    return run_of(wildcards).stages[int(wildcards.subset) - 1]


def recipe_of(wildcards):
    return CONFIG.experts[stage_of(wildcards).experts]


def as_json(find):
    """A rule's parameter: the section that `find` looks up, as JSON."""
    return lambda wildcards: find(wildcards).model_dump_json()


def matched_network(wildcards):
    return CONFIG.networks[run_of(wildcards).network]


def evaluation_of(wildcards):
    return run_of(wildcards).evaluation


def prefix(wildcards):
    """The subsets before the one that the wildcards name, in order."""
    return expand(
        f"{RUN}/subset{{k}}.safetensors",
        k=range(1, int(wildcards.subset)),
        **run_wildcards(wildcards),
    )


def run_wildcards(wildcards):
    return {
        name: getattr(wildcards, name) for name in ("dataset", "method", "ipc", "seed")
    }


def of_every_run(pattern, wanted=lambda run: True, **more):
    """`pattern` for each run that is `wanted` and each seed; values in `more` are functions of the run."""
    return [
        path
        for run in RUNS.values()
        if wanted(run)
        for path in expand(
            pattern,
            dataset=run.dataset,
            method=run.method,
            ipc=run.ipc,
            seed=run.seeds,
            **{name: values(run) for name, values in more.items()},
        )
    ]
