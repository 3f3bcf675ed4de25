# The configuration as typed models, and the look-ups that rules share. Imports no torch.
import json
import os
import sys
from functools import cache
from pathlib import Path
from shutil import which

from snakemake.io import strip_wildcard_constraints

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from seqmatch import config as vocabulary
from seqmatch.config.catalog import IMAGENET_SUBSETS, pixels_of
from seqmatch.errors import SeqmatchError
from seqmatch.planning.code import digest

try:
    CONFIG = vocabulary.load(config)
except SeqmatchError as error:
    raise WorkflowError(f"the configuration cannot be used:\n{error}")

RUNS = vocabulary.runs(CONFIG)
CROSS_SEEDS = CONFIG.seeds[: CONFIG.cross_architecture.seeds]
# How jobs compute (`gpu`, `compile`) reaches them as resources, not as parameters: a change repeats nothing.
# A cluster's login node may have no GPU: say `device: cuda` there.
GPU = int(
    CONFIG.device == "cuda"
    or (CONFIG.device == "auto" and which("nvidia-smi") is not None)
)
PUBLISHED = os.path.relpath(ROOT / "resources/published_results.csv")
RUN = "results/{dataset}/{method}/ipc{ipc}/seed{seed}"
DATA = "results/{dataset}/data.safetensors"
FIGURES = "results/figures/{dataset}"
METHODS = list(
    dict.fromkeys(
        [*vocabulary.STANDARD_METHODS, *(run.method for run in RUNS.values())]
    )
)


wildcard_constraints:
    dataset=vocabulary.NAME,
    method=vocabulary.NAME,
    ipc=r"[1-9]\d*|all",
    seed=r"\d+",
    subset=r"[1-9]\d*",
    shard=r"\d+",
    recipe=vocabulary.NAME,
    architecture=vocabulary.NAME,
    source=vocabulary.NAME,


def script(rule_name):
    """The command that a rule runs."""
    return os.path.relpath(ROOT / "scripts" / f"{rule_name}.py")


@cache
def code(rule_name):
    """A fingerprint of the script and the modules it runs: as a parameter, so that an edit to one reruns the rule.

    (As input files they would be some thirty more for every job to plan.)
    """
    return digest(ROOT / "scripts" / f"{rule_name}.py")


def run_of(wildcards):
    """The run that the wildcards name; a target outside the configuration is an error that says so."""
    run = RUNS.get((wildcards.dataset, wildcards.method, wildcards.ipc))
    if run is None:
        raise WorkflowError(
            f"no cell of the configuration has {wildcards.method} on {wildcards.dataset} with ipc {wildcards.ipc}; "
            "add it to `cells`"
        )
    return run


def stage_of(wildcards):
    """Settings of the subset that the wildcards name."""
    stages = run_of(wildcards).stages
    if int(wildcards.subset) > len(stages):
        raise WorkflowError(
            f"{wildcards.method} with ipc {wildcards.ipc} has {len(stages)} subsets in the configuration, "
            f"so there is no subset {wildcards.subset}"
        )
    return stages[int(wildcards.subset) - 1]


def defined(section, name):
    """The entry `name` of a section of the configuration; its absence is an error that says so."""
    entries = getattr(CONFIG, section)
    if name not in entries:
        raise WorkflowError(
            f"{section} of the configuration does not define {name} (but {', '.join(entries) or 'nothing'})"
        )
    return entries[name]


def dataset_of(wildcards):
    return defined("datasets", wildcards.dataset)


def files_of_source(wildcards):
    """The list of files that a data set is read from, if they are fetched."""
    source = dataset_of(wildcards).source
    return [f"data/{source}/files.json"] if source in vocabulary.DOWNLOADED else []


@cache
def recorded_epochs(recipe, dataset):
    """The same for every shard, and found by looking through all runs: three seconds in all for ten thousand jobs."""
    return vocabulary.recorded_epochs(CONFIG, recipe, dataset)


def recipe_of(wildcards):
    return CONFIG.experts[stage_of(wildcards).experts]


def growing(amount):
    """A resource that a job asks for once more with each attempt: a retry after a time-out or for want of memory."""
    return lambda wildcards, attempt: amount * attempt


def memory(amount, bytes_a_pixel=4):
    """MB that a job needs, growing as above: an amount, and its data set at so many bytes a number."""
    return lambda wildcards, attempt: attempt * (
        amount + bytes_a_pixel * pixels(wildcards.dataset) // 1_000_000
    )


@cache
def pixels(dataset):
    """Numbers in all images of a data set, of which its size in memory follows."""
    return pixels_of(defined("datasets", dataset))


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


def experts_of(wildcards):
    """Experts that the subset is distilled from: shared ones for the first, teachers of its own for later ones."""
    stage = stage_of(wildcards)
    if wildcards.subset != "1" and vocabulary.uses_teachers(stage):
        return shard_files(stage, f"{RUN}/teachers{wildcards.subset}", wildcards)
    if wildcards.subset == "1" and vocabulary.matches_experts(stage):
        return recipe_shards(stage, wildcards)
    return []


def choosers_of(wildcards):
    """Experts that choose or label the real images that the subset starts from."""
    stage = stage_of(wildcards)
    return recipe_shards(stage, wildcards) if vocabulary.asks_experts(stage) else []


def recipe_shards(stage, wildcards):
    return shard_files(stage, f"results/{{dataset}}/experts/{stage.experts}", wildcards)


def shard_files(stage, folder, wildcards):
    """The files of a recipe's experts or teachers in a folder."""
    return expand(
        f"{folder}/shard{{shard}}.safetensors",
        shard=range(CONFIG.experts[stage.experts].shards),
        **run_wildcards(wildcards),
    )


def subsets_of(wildcards):
    """S_1 … S_K; none for `whole`."""
    return expand(
        f"{RUN}/subset{{k}}.safetensors",
        k=range(1, run_of(wildcards).subsets + 1),
        **run_wildcards(wildcards),
    )


def other_choices(wildcards):
    """Choices of the last snapshot that are evaluated besides the headline's: on the matched network alone."""
    run = run_of(wildcards)
    return run.protocols[1:] if wildcards.architecture == run.network else ()


def if_other_choices(pattern):
    """`pattern` for the last subset, where another of its snapshots is evaluated."""
    return lambda wildcards: (
        expand(pattern, subset=run_of(wildcards).subsets, **run_wildcards(wildcards))
        if other_choices(wildcards)
        else []
    )
