# The experiment as typed models and a list of all jobs, and the look-ups that rules share. Imports no torch.
import json
import os
import subprocess
import sys
from functools import cache, partial
from operator import attrgetter
from shutil import which

from snakemake.logging import logger

sys.path.insert(0, str(ROOT))

from seqmatch import config as vocabulary
from seqmatch.errors import SeqmatchError
from seqmatch.planning import contents
from seqmatch.planning.code import digest_of, sources_of
from seqmatch.planning.jobs import FIGURES, RULES, RUN, Plan
from seqmatch.planning.sizes import pixels_of

try:
    for path in [*workflow.configfiles, *workflow.overwrite_configfiles]:
        vocabulary.read(Path(path))
    EXPERIMENT = vocabulary.load(config)
except SeqmatchError as error:
    raise WorkflowError(f"the configuration cannot be used:\n{error}")
for line in EXPERIMENT.warnings:
    logger.warning(line)

CONFIG = EXPERIMENT.config
PLAN = Plan(EXPERIMENT)
# How jobs compute (`gpu`, `compile`) reaches them as resources, not as parameters: a change repeats nothing.
# A cluster's login node may have no GPU: say `device: cuda` there.
GPU = int(
    CONFIG.device == "cuda"
    or (CONFIG.device == "auto" and which("nvidia-smi") is not None)
)
PUBLISHED = os.path.relpath(ROOT / "resources/published_results.csv")
DATA = RULES["prepare_dataset"].outputs[0]
LOGGED = " > {log} 2>&1"
COMPUTE = (
    " --gpu {resources.gpu} --threads {threads} --compile {resources.compile}" + LOGGED
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


def find_python():
    """Have jobs run a Python that has what they need: the one that is active, else the one that runs Snakemake."""
    active = which("python")
    own = Path(sys.executable).parent
    if active is not None and Path(active).parent.resolve() == own.resolve():
        return
    if "CONDA" in str(workflow.deployment_settings.deployment_method):
        return  # each job has an environment of its own
    probe = "import importlib.util as u; raise SystemExit(not (u.find_spec('torch') and u.find_spec('pydantic')))"
    for python in (active, sys.executable):
        if python and subprocess.run([python, "-c", probe]).returncode == 0:
            os.environ["PATH"] = (
                f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
            )
            return
    raise WorkflowError(
        f"neither the active Python ({active}) nor that of Snakemake ({sys.executable}) has PyTorch; run `uv run "
        "snakemake …` in the checkout, activate its environment, or add `--sdm conda`"
    )


find_python()


def made(rule_name):
    """The file that a rule makes, as a pattern; the first, if there are several."""
    return RULES[rule_name].outputs[0]


def table(rule_name, number=0):
    """A table that a rule makes, and its provenance."""
    path = RULES[rule_name].outputs[number]
    return [path, path.replace(".csv", ".json")]


def sheet(rule_name, caption, label):
    """A table that people read: in every form, the page for the report."""
    path = RULES[rule_name].outputs[-1]
    page = report(
        path.replace(".csv", ".html"),
        caption=f"../report/{caption}.rst",
        category="Tables",
        labels={"table": label},
    )
    return {"csv": path, "page": page} | {
        form: path.replace(".csv", f".{form}") for form in ("json", "md", "tex")
    }


def drawn(rule_name, caption, **labels):
    """A figure in both formats, the PNG for the report, and the table that it is drawn from."""
    path = made(rule_name)
    picture = report(
        path,
        caption=f"../report/{caption}.rst",
        category="Figures",
        labels={"data set": "{dataset}"} | labels,
    )
    return {"figure": [picture, path.replace(".png", ".pdf")]} | {
        form: path.replace(".png", f".{form}") for form in ("csv", "json")
    }


def log_of(rule_name):
    return f"logs/{RULES[rule_name].name}.log"


def benchmark_of(rule_name):
    return f"results/benchmarks/{RULES[rule_name].name}.tsv"


def command(script_name):
    """Parameters of a rule: its command, and a fingerprint of the code that it runs, so that an edit reruns the rule.

    (As input files the modules would be some thirty more for every job to plan.)
    """
    return {
        "script": os.path.relpath(ROOT / "scripts" / f"{script_name}.py"),
        "code": code(script_name),
    }


@cache
def code(script_name):
    return digest_of(sources_of(ROOT / "scripts" / f"{script_name}.py"))


def limits(rule_name, mem_mb, bytes_per_pixel=0):
    """Resources of a rule: memory, also for its data set, and minutes; a retry after a time-out or out of memory gets
    as much once more."""

    def memory(wildcards, attempt):
        data = pixels(wildcards.dataset) if bytes_per_pixel else 0
        return attempt * (mem_mb + bytes_per_pixel * data // 1_000_000)

    def minutes(wildcards, attempt):
        return attempt * RULES[rule_name].minutes

    return {"mem_mb": memory, "runtime": minutes}


def training(rule_name):
    """Resources of a rule that trains networks."""
    return limits(rule_name, 2000, 4) | {"gpu": GPU, "compile": CONFIG.compile}


@cache
def pixels(dataset):
    """Numbers in all images of a data set, of which its size in memory follows."""
    return pixels_of(defined("datasets", dataset))


def defined(section, name):
    """The entry `name` of a section of the configuration; its absence is an error that says so."""
    entries = getattr(CONFIG, section)
    if name not in entries:
        raise WorkflowError(
            f"{section} of the configuration does not define {name} (but {', '.join(entries) or 'nothing'})"
        )
    return entries[name]


def run_of(wildcards):
    """The run that the wildcards name; a target outside the configuration is an error that says so."""
    run = EXPERIMENT.runs.get((wildcards.dataset, wildcards.method, wildcards.ipc))
    if run is None:
        raise WorkflowError(
            f"no cell of the configuration has {wildcards.method} on {wildcards.dataset} with ipc {wildcards.ipc}; "
            "add it to `cells`"
        )
    return run


def stage_of(wildcards):
    """The section of the subset that the wildcards name."""
    run, k = run_of(wildcards), int(wildcards.subset)
    if k > run.subsets:
        raise WorkflowError(
            f"{wildcards.method} with ipc {wildcards.ipc} has {run.subsets} subsets in the configuration, so there is "
            f"no subset {k}"
        )
    return run.stages[k - 1]


def as_json(find):
    """A rule's parameter: the section that `find` looks up, as JSON."""
    return lambda wildcards: find(wildcards).model_dump_json()


def of_run(attribute):
    """A rule's parameter: an attribute of the run that the wildcards name."""
    return lambda wildcards: attrgetter(attribute)(run_of(wildcards))


def named(section, wildcard):
    """A rule's parameter: the entry of a section that a wildcard names, as JSON."""
    return as_json(lambda wildcards: defined(section, getattr(wildcards, wildcard)))


evaluation = as_json(of_run("evaluation"))
matched_network = as_json(lambda wildcards: CONFIG.networks[run_of(wildcards).network])


def run_wildcards(wildcards):
    return {
        name: getattr(wildcards, name) for name in ("dataset", "method", "ipc", "seed")
    }


def draws(wildcards):
    """A name for the random draws of a job: its run and subset."""
    return "/".join([*run_wildcards(wildcards).values(), wildcards.subset])


def files(pattern, wildcards, **more):
    """The files of a pattern, for the run that the wildcards name."""
    return expand(pattern, **run_wildcards(wildcards), **more)


def prefix(wildcards):
    """The subsets before the one that the wildcards name, in order."""
    earlier = range(1, int(wildcards.subset))
    return files(made("select_snapshot"), wildcards, subset=earlier)


def subsets(wildcards):
    """S_1 … S_K; none for `whole`."""
    numbers = range(1, run_of(wildcards).subsets + 1)
    return files(made("select_snapshot"), wildcards, subset=numbers)


def shards(recipe):
    return range(CONFIG.experts[recipe].shards)


def experts(wildcards):
    """Experts that the subset is distilled from: shared ones for the first, teachers of its own for later ones."""
    run, stage, k = run_of(wildcards), stage_of(wildcards), int(wildcards.subset)
    if run.uses_teachers(k):
        pattern = made("train_teachers")
        return files(pattern, wildcards, subset=k, shard=shards(stage.experts))
    return recipe_files(wildcards, stage) if run.matches_experts(k) else []


def choosers(wildcards):
    """Experts that choose or label the real images that the subset starts from."""
    stage, k = stage_of(wildcards), int(wildcards.subset)
    return recipe_files(wildcards, stage) if run_of(wildcards).asks_experts(k) else []


def recipe_files(wildcards, stage):
    return expand(
        made("train_experts"),
        dataset=wildcards.dataset,
        recipe=stage.experts,
        shard=shards(stage.experts),
    )


def other_selections(wildcards):
    """Selections of the last snapshot that are evaluated besides the headline's: on the matched network alone."""
    run = run_of(wildcards)
    return run.selections[1:] if wildcards.architecture == run.network else ()


def of_last_subset(number):
    """A file that belongs to the last subset's snapshots, where another of them is evaluated."""
    rule_name = ("distill_subset", "select_snapshot")[number]
    pattern = RULES[rule_name].outputs[number]
    return lambda wildcards: (
        files(pattern, wildcards, subset=run_of(wildcards).subsets)
        if other_selections(wildcards)
        else []
    )


def of_cell(rule_name, number=0):
    """Files of a rule's jobs that are of the data set and ipc that the wildcards name, and of a distilled run."""

    def of_this(wildcards, job):
        run = EXPERIMENT.run_of(job.wildcards)
        return run.distilled and (run.dataset, str(run.ipc)) == (
            wildcards.dataset,
            wildcards.ipc,
        )

    return lambda wildcards: [
        job.outputs[number]
        for job in PLAN.by_rule[rule_name]
        if of_this(wildcards, job)
    ]


def needed(paths, what):
    """An input; a target that the configuration gives none for is an error that says so."""

    def find(wildcards):
        if not paths:
            raise WorkflowError(f"the configuration has no {what}")
        return paths

    return find


def code_of_objective(objective, stage):
    """A fingerprint of an objective's own module, which is loaded by name, and of what is declared of it."""
    source = ROOT / (objective.step.partition(":")[0].replace(".", "/") + ".py")
    declared = [objective.step, objective.resumes_every(stage), objective.bounded]
    return digest_of([source]) + str(declared)
