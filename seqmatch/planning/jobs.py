"""Every job of an experiment: one enumeration for targets, cost, status and overview. Imports no torch.

A rule is declared here with the files that it makes, its jobs, what one costs, and how long one may take; how it is
done stands in workflow/rules. The log and the benchmark file of a job are named like the first file that it makes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Any

from seqmatch.config import Experiment, Run
from seqmatch.config.sections import DOWNLOADED, ENOUGH_SEEDS
from seqmatch.errors import SeqmatchError
from seqmatch.planning import contents, costs
from seqmatch.planning.costs import Cost, Scale

Wildcards = dict[str, Any]

MOST_JOBS = 50_000
"""Of a rule: more take Snakemake hours to plan. The paper's experiments have 1,300 altogether."""

RUN = "results/{dataset}/{method}/ipc{ipc}/seed{seed}"
FIGURES = "results/figures/{dataset}"


@dataclass(frozen=True)
class Rule:
    """A kind of job. Nothing of it has a default: a job without a cost or a limit cannot be declared."""

    outputs: tuple[str, ...]
    """Patterns of the files that it makes, the one that it is known by first; provenance beside them aside."""
    jobs: Callable[[Experiment], Iterator[Wildcards]]
    """The wildcards of each job; some may come twice."""
    cost: Callable[[Scale, Wildcards], Cost]
    minutes: int
    """What a job may take at most, at the first attempt."""
    trains: bool
    """Whether it trains networks, and so takes a GPU where there is one."""

    @property
    def name(self) -> str:
        """Of its log and benchmark file, as a pattern."""
        return PurePosixPath(self.outputs[0].removeprefix("results/")).with_suffix("").as_posix()

    @property
    def log(self) -> str:
        return f"logs/{self.name}.log"

    @property
    def benchmark(self) -> str:
        return f"results/benchmarks/{self.name}.tsv"


@dataclass(frozen=True)
class Job:
    """One job."""

    rule: str
    wildcards: Wildcards

    @property
    def outputs(self) -> list[str]:
        return [pattern.format(**self.wildcards) for pattern in RULES[self.rule].outputs]

    @property
    def log(self) -> str:
        return RULES[self.rule].log.format(**self.wildcards)

    @property
    def benchmark(self) -> str:
        return RULES[self.rule].benchmark.format(**self.wildcards)


class Plan:
    """All jobs of an experiment."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment

    @cached_property
    def by_rule(self) -> dict[str, list[Job]]:
        """The jobs of each rule, in the order of the work.

        Raises:
            SeqmatchError: a rule has too many.
        """
        return {name: _distinct(name, rule.jobs(self.experiment)) for name, rule in RULES.items()}

    @property
    def jobs(self) -> list[Job]:
        return [job for jobs in self.by_rule.values() for job in jobs]

    def outputs(self, rule: str, wanted: Callable[[Wildcards], bool] = lambda wildcards: True) -> list[str]:
        """The first file of each job of a rule whose wildcards are `wanted`."""
        return [job.outputs[0] for job in self.by_rule[rule] if wanted(job.wildcards)]

    def operations(self, scale: Scale, run: Run) -> float:
        """Of one seed of a run, from its experts, which other runs may share, to its evaluation on its own network."""
        recipes = {recipe for _, recipe in run.shared_experts()}
        shards = [job for job in self.by_rule["train_experts"] if job.wildcards["dataset"] == run.dataset]
        shared = [job for job in shards if job.wildcards["recipe"] in recipes]
        return _operations(scale, shared) + self.own_operations(scale, run)

    def own_operations(self, scale: Scale, run: Run) -> float:
        """The same without these experts: of teachers, distillation, selection and evaluation."""
        own = _of_run(run)[0]
        jobs = [job for rule in OF_A_RUN for job in self.by_rule[rule] if own.items() <= job.wildcards.items()]
        return _operations(
            scale, [job for job in jobs if job.wildcards.get("architecture", run.architecture) == run.architecture]
        )

    def own_accuracies(self, wanted: Callable[[Run], bool]) -> list[str]:
        """Accuracies of runs on the network that was matched."""

        def own(of: Wildcards) -> bool:
            run = self.experiment.run_of(of)
            return wanted(run) and of["architecture"] == run.architecture

        return self.outputs("evaluate", own)

    def of_table2(self) -> list[str]:
        """Accuracies of runs that are evaluated on other architectures: on their own, then on those."""

        def shown(of: Wildcards) -> bool:
            run, seeds = self.experiment.run_of(of), self.experiment.cross_seeds
            own = of["architecture"] == run.architecture and of["seed"] in seeds
            return bool(run.others) and (own or of["architecture"] in run.others)

        return self.outputs("evaluate", shown)

    @cached_property
    def targets(self) -> list[str]:
        """What the experiment is run for: tables, figures and the overview."""
        return [path for rule in RULES if rule in TABLES or rule.startswith("figure_") for path in self.outputs(rule)]


def _distinct(rule: str, wildcards: Iterator[Wildcards]) -> list[Job]:
    jobs: dict[tuple[Any, ...], Job] = {}
    for values in wildcards:
        jobs.setdefault(tuple(values.values()), Job(rule, values))
        if len(jobs) > MOST_JOBS:
            raise SeqmatchError(
                f"more than {MOST_JOBS:,} jobs {rule}; lower experts.*.shards (experts.*.networks_per_shard puts more "
                "into each), or the number of seeds, stages or cells"
            )
    return list(jobs.values())


def _sources(experiment: Experiment) -> Iterator[Wildcards]:
    sources = (experiment.config.datasets[run.dataset].source for run in experiment.runs.values())
    return ({"source": source} for source in sources if source in DOWNLOADED)


def _shards(experiment: Experiment, recipe: str) -> range:
    return range(experiment.config.experts[recipe].shards)


def _experts(experiment: Experiment) -> Iterator[Wildcards]:
    for recipe, dataset in experiment.recorded_epochs:
        for shard in _shards(experiment, recipe):
            yield {"dataset": dataset, "recipe": recipe, "shard": shard}


def _of_run(run: Run) -> list[Wildcards]:
    about = {"dataset": run.dataset, "method": run.method, "ipc": str(run.ipc)}
    return [about | {"seed": seed} for seed in run.seeds]


def _runs(wanted: Callable[[Run], bool]) -> Callable[[Experiment], Iterator[Wildcards]]:
    """A job for each run that is wanted, and seed."""
    return lambda experiment: (of for run in experiment.runs.values() if wanted(run) for of in _of_run(run))


def _first_seeds(wanted: Callable[[Run], bool]) -> Callable[[Experiment], Iterator[Wildcards]]:
    """A job for each run that is wanted, of its first seed; those of others are made when they are asked for."""
    return lambda experiment: (_of_run(run)[0] for run in experiment.runs.values() if wanted(run))


def _subsets(experiment: Experiment) -> Iterator[Wildcards]:
    for run in experiment.runs.values():
        for of in _of_run(run):
            for k in range(1, run.subsets + 1):
                yield of | {"subset": k}


def _teachers(experiment: Experiment) -> Iterator[Wildcards]:
    for of in _subsets(experiment):
        run, k = experiment.run_of(of), of["subset"]
        if run.uses_teachers(k):
            for shard in _shards(experiment, run.stages[k - 1].experts):
                yield of | {"shard": shard}


def _rounds(experiment: Experiment) -> Iterator[Wildcards]:
    """Every round of subsets that are distilled side by side, but for the last one, with which they are done."""
    for of in _subsets(experiment):
        for number in range(experiment.run_of(of).rounds):
            yield of | {"round": number}


def _teachers_of_rounds(experiment: Experiment) -> Iterator[Wildcards]:
    for of in _teachers(experiment):
        for number in range(1, experiment.run_of(of).rounds):
            yield of | {"round": number}


def _evaluations(experiment: Experiment) -> Iterator[Wildcards]:
    """Every run on its own network, then on the other ones."""
    runs = experiment.runs.values()
    for run in runs:
        for of in _of_run(run):
            yield of | {"architecture": run.architecture}
    for run in runs:
        for of in _of_run(run):
            if of["seed"] in experiment.cross_seeds:
                for other in run.others:
                    yield of | {"architecture": other}


def _baselines(experiment: Experiment) -> Iterator[Wildcards]:
    """What every set is fairly compared with, if that is asked for."""
    return _runs(lambda run: experiment.config.fair_comparison and bool(run.stages))(experiment)


def _cells(wanted: Callable[[Run], bool]) -> Callable[[Experiment], Iterator[Wildcards]]:
    """A job for each data set and ipc of which a run is wanted."""
    return lambda experiment: (
        {"dataset": run.dataset, "ipc": str(run.ipc)} for run in experiment.runs.values() if wanted(run)
    )


def _datasets(wanted: Callable[[Run], bool] = bool) -> Callable[[Experiment], Iterator[Wildcards]]:
    return lambda experiment: ({"dataset": run.dataset} for run in experiment.runs.values() if wanted(run))


def _contrasted(experiment: Experiment) -> Iterator[Wildcards]:
    """A job for each data set of which methods are compared: a single difference needs no figure."""
    found = Counter(dataset for dataset, *_ in contents.contrasts(experiment))
    return ({"dataset": dataset} for dataset, compared in found.items() if compared > 1)


def _once(wanted: Callable[[Experiment], Any] = lambda experiment: True) -> Callable[[Experiment], Iterator[Wildcards]]:
    """A single job, if the experiment has anything for it."""
    return lambda experiment: iter([{}] if wanted(experiment) else [])


def _over_seeds(jobs: Callable[[Experiment], Iterator[Wildcards]]) -> Callable[[Experiment], Iterator[Wildcards]]:
    """Jobs of what has intervals over seeds, if there are seeds enough."""
    return lambda experiment: jobs(experiment) if len(experiment.config.seeds) >= ENOUGH_SEEDS else iter([])


def _any(wanted: Callable[[Run], bool]) -> Callable[[Experiment], bool]:
    return lambda experiment: any(map(wanted, experiment.runs.values()))


def _any_published(experiment: Experiment) -> bool:
    """Whether there are published numbers of any data set and architecture of the experiment."""
    data = contents.published_data(experiment)
    architectures = contents.published_architectures(experiment)
    return any(
        data.get(run.dataset) in contents.PUBLISHED_SOURCES and run.architecture in architectures
        for run in experiment.runs.values()
    )


def _in(table: Callable[[Experiment, Run], bool]) -> Callable[[Experiment], bool]:
    return lambda experiment: any(table(experiment, run) for run in experiment.runs.values())


def _drawing(output: str, jobs: Any) -> Rule:
    """A table or figure: seconds where Snakemake itself runs."""
    return Rule((output,), jobs, costs.nothing, 10, trains=False)


_training = partial(Rule, trains=True)
_distilled = attrgetter("distilled")


def _analysed(kind: str) -> Callable[[Run], bool]:
    return lambda run: run.analysed and getattr(run, kind)


_recorded, _divisible, _sequential = map(_analysed, ("distilled", "divisible", "sequential"))


def _stepwise(run: Run) -> bool:
    """Whether its losses are recorded after each of several subsets."""
    return _recorded(run) and _sequential(run)


RULES = {
    "fetch_data": Rule(("data/{source}/files.json",), _sources, costs.nothing, 240, trains=False),
    "prepare_dataset": Rule(("results/{dataset}/data.safetensors",), _datasets(), costs.preparation, 60, trains=False),
    "train_experts": _training(
        ("results/{dataset}/experts/{recipe}/shard{shard}.safetensors",), _experts, costs.experts, 240
    ),
    "train_teachers": _training(
        (f"{RUN}/teachers{{subset}}/shard{{shard}}.safetensors",), _teachers, costs.teachers, 240
    ),
    "train_teachers_of_round": _training(
        (f"{RUN}/round{{round}}/teachers{{subset}}/shard{{shard}}.safetensors",),
        _teachers_of_rounds,
        costs.teachers,
        240,
    ),
    "distill_round": _training(
        (f"{RUN}/round{{round}}/state{{subset}}.safetensors", f"{RUN}/round{{round}}/subset{{subset}}.safetensors"),
        _rounds,
        costs.distillation,
        720,
    ),
    "distill_subset": _training((f"{RUN}/snapshots{{subset}}.safetensors",), _subsets, costs.distillation, 720),
    "select_snapshot": _training(
        (f"{RUN}/subset{{subset}}.safetensors", f"{RUN}/scores{{subset}}.csv"), _subsets, costs.selection, 240
    ),
    "evaluate": _training((f"{RUN}/accuracy/{{architecture}}.csv",), _evaluations, costs.evaluation, 480),
    "evaluate_baselines": _training((f"{RUN}/baselines.csv",), _baselines, costs.baselines, 480),
    "record_losses": _training((f"{RUN}/losses.safetensors",), _runs(_recorded), costs.losses, 240),
    "measure_coupling": _training((f"{RUN}/coupling.csv",), _runs(_divisible), costs.coupling, 240),
    "measure_stages": _training((f"{RUN}/stages.csv",), _runs(_sequential), costs.stages, 240),
    "cluster_difficulty": Rule(
        ("results/difficulty.csv", "results/losses.csv", "results/difficulty_stability.csv"),
        _once(_any(_recorded)),
        costs.nothing,
        60,
        trains=False,
    ),
    "compare_difficulty": Rule(
        ("results/common_difficulty.csv",),
        _over_seeds(_once(_any(_stepwise))),
        costs.nothing,
        60,
        trains=False,
    ),
    "collect_accuracy": _drawing("results/accuracy.csv", _once()),
    "collect_coupling": _drawing("results/coupling.csv", _once(_any(_divisible))),
    "collect_stages": _drawing("results/stages.csv", _once(_any(_sequential))),
    "collect_convergence": _drawing("results/{dataset}/convergence-ipc{ipc}.csv", _cells(_distilled)),
    "measure_resources": _drawing("results/{dataset}/resources.csv", _datasets()),
    "collect_resources": _drawing("results/resources.csv", _once()),
    "count_operations": _drawing("results/operations.csv", _once()),
    "table1": _drawing("results/table1.csv", _once(_in(contents.in_table1))),
    "table3": _drawing("results/table3.csv", _once(_in(contents.in_table3))),
    "table2": _drawing("results/table2.csv", _once(_any(lambda run: bool(run.others)))),
    "comparison": _drawing("results/comparison.csv", _once(contents.contrasts)),
    "prefixes": _drawing("results/prefixes.csv", _once(contents.prefixes)),
    "fair": _drawing("results/fair.csv", _once(lambda experiment: any(_baselines(experiment)))),
    "table4": _drawing("results/table4.csv", _once()),
    "published": _drawing("results/published.csv", _once(_any_published)),
    "overview": Rule(("results/overview.html", "results/configuration.html"), _once(), costs.nothing, 10, trains=False),
    "figure_difficulty": _drawing(f"{FIGURES}/difficulty-ipc{{ipc}}.png", _cells(_recorded)),
    "figure_common_difficulty": _drawing(
        f"{FIGURES}/common_difficulty-ipc{{ipc}}.png",
        _over_seeds(_cells(_stepwise)),
    ),
    "figure_losses": _drawing(f"{FIGURES}/losses-ipc{{ipc}}.png", _cells(_recorded)),
    "figure_convergence": _drawing(f"{FIGURES}/convergence-ipc{{ipc}}.png", _cells(_distilled)),
    "figure_coupling": _drawing(f"{FIGURES}/coupling.png", _datasets(_divisible)),
    "figure_stages": _drawing(f"{FIGURES}/stages-ipc{{ipc}}.png", _cells(_sequential)),
    "figure_differences": _drawing(f"{FIGURES}/differences.png", _over_seeds(_contrasted)),
    "figure_images": _drawing(
        f"{FIGURES}/images-{{method}}-ipc{{ipc}}-seed{{seed}}.png", _first_seeds(lambda run: run.subsets > 0)
    ),
    "figure_initial": _drawing(f"{FIGURES}/initial-{{method}}-ipc{{ipc}}-seed{{seed}}.png", _first_seeds(_distilled)),
    "figure_resources": _drawing(f"{FIGURES}/resources.png", _datasets()),
}
"""Every rule of the workflow, in the order of the work; `all` asks for `Plan.targets`."""


COMPUTING_RULES = ("prepare_dataset", *(name for name, rule in RULES.items() if rule.trains))
"""Rules that take the time."""


def _operations(scale: Scale, jobs: Iterable[Job]) -> float:
    return sum(RULES[job.rule].cost(scale, job.wildcards).operations for job in jobs)


OF_A_RUN = (
    "train_teachers",
    "train_teachers_of_round",
    "distill_round",
    "distill_subset",
    "select_snapshot",
    "evaluate",
)
"""Rules whose jobs a run's accuracy needs, besides its experts."""

TABLES = (
    "collect_accuracy",
    "table1",
    "table3",
    "table2",
    "comparison",
    "prefixes",
    "fair",
    "table4",
    "published",
    "overview",
)
"""Rules whose files are targets, besides figures."""
