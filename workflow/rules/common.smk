# The experiment as typed models and a list of all jobs, and the look-ups that rules share. Imports no torch.
import json
import os
import sys
from contextlib import suppress
from functools import cache, partial
from operator import attrgetter
from shutil import which

from snakemake.logging import logger

sys.path.insert(0, str(ROOT))

from seqmatch import config as vocabulary
from seqmatch.config.catalog import IMAGENET_SUBSETS, SOURCES
from seqmatch.errors import SeqmatchError
from seqmatch.planning import asked, contents, external, host, memory, replacing
from seqmatch.planning.code import check_class, digest
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import COMPUTING_RULES, RULES, Job, Plan

FILES = workflow.overwrite_configfiles or [vocabulary.default_file(ROOT)]
if workflow.modifier.skip_configfile:
    FILES = []  # a workflow that uses this one as a module says itself what is run

try:  # before Snakemake reads the default
    for path in FILES:
        vocabulary.read(path)
except SeqmatchError as error:
    raise WorkflowError(f"{vocabulary.UNUSABLE}\n{error}")


if not workflow.overwrite_configfiles:

    configfile: vocabulary.default_file(ROOT)


try:
    vocabulary.check_words(sys.argv, workflow.config_settings.config or ())
    EXPERIMENT = vocabulary.load(
        vocabulary.typed(config, workflow.config_settings.config)
    )
    PLAN = Plan(EXPERIMENT)
    PLAN.by_rule  # all jobs, once; too many are an error
except SeqmatchError as error:
    raise WorkflowError(f"{vocabulary.UNUSABLE}\n{error}")
for line in EXPERIMENT.warnings:
    logger.warning(line)

try:
    host.check_writable()
    host.name_user()
    host.find_shared(ROOT / "scripts")
    if "CONDA" not in str(workflow.deployment_settings.deployment_method):
        host.put_on_path()
except SeqmatchError as error:
    raise WorkflowError(str(error))

CONFIG = EXPERIMENT.config
SCALE = Scale(EXPERIMENT, memory.approximate)
# How jobs compute (`gpu`, `compile`) reaches them as resources, not as parameters: a change repeats nothing.
# A cluster's login node may have no GPU: say `device: cuda` there.
GPU = int(
    CONFIG.device == "cuda"
    or (CONFIG.device == "auto" and which("nvidia-smi") is not None)
)
# Whether files are kept in a store that other machines see, instead of here.
STORED = workflow.storage_settings.default_storage_provider is not None
if STORED and os.environ.get("SEQMATCH_SHARED"):
    raise WorkflowError(
        "SEQMATCH_SHARED: experiments share experts in a folder, not in a store; unset it"
    )
PUBLISHED = local(os.path.relpath(ROOT / "resources/published_results.csv"))
if not GPU and (slow := host.slow_arithmetic(EXPERIMENT)):
    logger.warning(slow)
DATA = RULES["prepare_dataset"].outputs[0]
COMPUTING, DRAWING = "../envs/computing.yml", "../envs/drawing.yml"
COMPUTE = " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log:q} 2>&1"

for name, architecture in CONFIG.architectures.items():
    if not architecture.own:
        continue
    try:
        check_class(ROOT / "scripts/evaluate.py", *architecture.code.split(":"))
    except SeqmatchError as error:
        raise WorkflowError(
            f"architectures.{name}.family = {architecture.family}: {error}"
        )

if not STORED:
    try:
        external.check(EXPERIMENT)
    except SeqmatchError as error:
        raise WorkflowError(str(error))


wildcard_constraints:
    dataset=vocabulary.NAME,
    method=vocabulary.NAME,
    ipc=r"[1-9]\d*|all",
    seed=r"\d+",
    subset=r"[1-9]\d*",
    round=r"\d+",
    shard=r"\d+",
    recipe=vocabulary.NAME,
    architecture=vocabulary.NAME,
    source=vocabulary.NAME,


def made(rule_name):
    """The file that a rule makes, as a pattern; the first, if there are several."""
    return RULES[rule_name].outputs[0]


def table(rule_name, number=0):
    """A table that a rule makes, and its provenance."""
    path = RULES[rule_name].outputs[number]
    return {"table": path, "provenance": path.replace(".csv", ".json")}


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
    """A figure in both formats, the PNG for the report; its caption; and the table that it is drawn from."""
    path = made(rule_name)
    picture = report(
        path,
        caption=f"../report/{caption}.rst",
        category="Figures",
        labels={"data set": "{dataset}"} | labels,
    )
    return {"figure": [picture, path.replace(".png", ".pdf")]} | {
        form: path.replace(".png", f".{form}") for form in ("csv", "json", "txt", "tex")
    }


def log_of(rule_name):
    return RULES[rule_name].log


def benchmark_of(rule_name):
    return RULES[rule_name].benchmark


def tables(**inputs):
    """Inputs that are tables, by name, and the provenance beside each, without which they are not read."""
    return inputs | {
        f"{name}_provenance": beside(paths) for name, paths in inputs.items()
    }


def beside(paths):
    """The provenance of a table, of a list of them, or of those that a function of the wildcards finds."""
    if callable(paths):
        return lambda wildcards: beside(paths(wildcards))
    return [
        path.replace(".csv", ".json")
        for path in ([paths] if isinstance(paths, str) else paths)
    ]


def command(script_name):
    """Parameters of a rule: its command, and a fingerprint of the code that it runs, so that an edit reruns the rule.

    (As input files the modules would be some thirty more for every job to plan.)
    """
    return {"script": place(script_name), "code": code(script_name)}


def drawing(script_name):
    """A drawing rule's parameters: its command, and the look of figures."""
    look = ["--style", CONFIG.figures.style, "--font", CONFIG.figures.font]
    colors = ["--methods", *contents.method_colors(EXPERIMENT)]
    return command(script_name) | {"look": [*look, *colors]}


def place(script_name):
    """A rule's parameter: the script's path. It takes the output, so that a clone that has moved reruns nothing: Snakemake
    compares no parameters of this kind. (Nor those that take the threads, for which it works out every job's resources.)
    """
    path = os.path.relpath(ROOT / "scripts" / f"{script_name}.py")
    return lambda wildcards, output: path


@cache
def code(script_name, modules=(), texts=()):
    return digest(ROOT / "scripts" / f"{script_name}.py", modules, texts)


def limits(rule_name, mem_mb):
    """Resources of a rule: memory, also for what its job keeps there, and minutes; a retry after a time-out or out of
    memory gets as much once more."""

    def megabytes(wildcards, attempt):
        return attempt * (mem_mb + needed_mb(rule_name, **wildcards))

    def minutes(wildcards, attempt):
        return attempt * RULES[rule_name].minutes

    return {"mem_mb": megabytes, "runtime": minutes}


def training(rule_name):
    """Resources of a rule that trains networks."""
    return limits(rule_name, 2000) | {"gpu": GPU, "compile": CONFIG.compile}
