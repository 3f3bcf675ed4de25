# What the targets at the end of the chain are made of: which files of which runs.
import hashlib


def of_every_run(pattern, wanted=lambda run: True, **more):
    """`pattern` for each run that is `wanted` and each of its seeds; values in `more` are functions of the run."""
    return unique(
        path
        for run in RUNS.values()
        if wanted(run)
        for path in expand(
            pattern,
            dataset=run.dataset,
            method=run.method,
            ipc=run.ipc,
            **{"seed": run.seeds}
            | {name: values(run) for name, values in more.items()},
        )
    )


def unique(paths):
    return list(dict.fromkeys(paths))


def distilled(run):
    return any(stage.iterations for stage in run.stages)


def divisible(run):
    """Distilled sets that can be split in two halves with every class."""
    return distilled(run) and run.ipc >= 2


def sequential(run):
    return run.subsets >= 2


def crosses(run):
    return bool(run.architectures)


def own_accuracies(seeds, wanted=lambda run: True):
    """Every run that is `wanted` on the network that it was matched on."""
    return of_every_run(
        f"{RUN}/accuracy/{{architecture}}.csv",
        wanted,
        architecture=lambda run: run.network,
        seed=lambda run: [seed for seed in run.seeds if seed in seeds],
    )


def cross_accuracies():
    """Synthetic sets on the other networks of the second table."""
    return of_every_run(
        f"{RUN}/accuracy/{{architecture}}.csv",
        crosses,
        architecture=lambda run: run.architectures,
        seed=lambda run: CROSS_SEEDS,
    )


def of_imagenet(run):
    """Whether a run belongs to Table 3 instead of Table 1."""
    return CONFIG.datasets[run.dataset].source in IMAGENET_SUBSETS


TABLE1 = own_accuracies(CONFIG.seeds, lambda run: not of_imagenet(run))
TABLE2 = unique(own_accuracies(CROSS_SEEDS, crosses) + cross_accuracies())
TABLE3 = own_accuracies(CONFIG.seeds, of_imagenet)
# Each method of several subsets with those of one subset, the same backbone, and the same cell.
CONTRASTS = [
    (run.dataset, str(run.ipc), run.method, other.method)
    for run in RUNS.values()
    for other in RUNS.values()
    if run.subsets > 1
    and other.subsets == 1
    and (run.dataset, run.ipc, run.backbone)
    == (other.dataset, other.ipc, other.backbone)
]


# Tables that the configuration has something for.
METHOD_TABLES = [
    f"results/{name}.csv"
    for name, paths in (("table1", TABLE1), ("table3", TABLE3))
    if paths
]
ARCHITECTURE_TABLES = ["results/table2.csv"] if cross_accuracies() else []
COMPARISONS = ["results/comparison.csv"] if CONTRASTS else []


def needed(paths, what):
    """An input; a target that the configuration gives none for is an error that says so."""

    def find(wildcards):
        if not paths:
            raise WorkflowError(f"the configuration has no {what}")
        return paths

    return find


def published_data():
    """Data sets that hold a published one as it is, and which, as JSON."""
    return json.dumps(
        {
            name: dataset.source
            for name, dataset in CONFIG.datasets.items()
            if dataset.image_size is None and dataset.source != "imagefolder"
        },
        sort_keys=True,
    )


def published_networks():
    """Architectures, and the names that publications have for them, as JSON."""
    names = {"resnet18": "ResNet18", "vgg11": "VGG11", "alexnet": "AlexNet"}
    return json.dumps(
        {
            name: names.get(network.family, f"ConvNet-{network.depth}")
            for name, network in CONFIG.networks.items()
        },
        sort_keys=True,
    )


def configuration():
    """What the configuration sets, as JSON, but for what changes no result; defaults are the models' own."""
    return CONFIG.model_dump_json(
        exclude_unset=True, exclude={"device", "compile", "data"}
    )


def resolved():
    """A fingerprint of every setting of every run: as a parameter, so that another default reruns what shows them."""
    return hashlib.sha256(repr(RUNS).encode()).hexdigest()[:16]


def of_one_cell(pattern, wanted):
    """`pattern` for the runs that are `wanted` of the data set and ipc that the wildcards name, and all their seeds."""
    return lambda wildcards: of_every_run(
        pattern,
        lambda run: wanted(run)
        and (run.dataset, str(run.ipc)) == (wildcards.dataset, wildcards.ipc),
        subset=lambda run: range(1, run.subsets + 1),
    )


def of_every_dataset(pattern):
    return unique(
        path for run in RUNS.values() for path in expand(pattern, dataset=run.dataset)
    )


def drawn(name, caption, **labels):
    """A figure in both formats: PNG, which the report shows, and PDF."""
    png = report(
        f"{FIGURES}/{name}.png",
        caption=f"../report/{caption}.rst",
        category="Figures",
        labels={"data set": "{dataset}"} | labels,
    )
    return [png, f"{FIGURES}/{name}.pdf"]


def work_on(dataset):
    """Every rule that computes for a data set, with values of its wildcards, in the order of the work."""
    yield "prepare_dataset", {}
    runs = [run for run in RUNS.values() if run.dataset == dataset]
    for run in runs:
        for stage in vocabulary.shared_experts(run):
            yield "train_experts", shards(stage.experts)
    for run in runs:
        for subset, stage in enumerate(run.stages[1:], start=2):
            if vocabulary.uses_teachers(stage):
                teachers = shards(stage.experts) | {"subset": subset}
                yield "train_teachers", of_run(run) | teachers
    for run in runs:
        subsets = of_run(run) | {"subset": range(1, run.subsets + 1)}
        yield "distill_subset", subsets
        yield "select_snapshot", subsets
    for run in runs:
        yield "evaluate", of_run(run) | {"architecture": run.network}
        if run.architectures:
            crossed = {"seed": CROSS_SEEDS, "architecture": run.architectures}
            yield "evaluate", of_run(run) | crossed
    for rule_name, wanted in (
        ("record_losses", distilled),
        ("measure_coupling", divisible),
        ("measure_stages", sequential),
    ):
        for run in filter(wanted, runs):
            yield rule_name, of_run(run)


def of_run(run):
    return {name: getattr(run, name) for name in ("method", "ipc")} | {
        "seed": run.seeds
    }


def shards(recipe):
    return {"recipe": recipe, "shard": range(CONFIG.experts[recipe].shards)}


@cache
def jobs_on(dataset):
    """Every job that computes for a data set: the name of its rule, its benchmark file, and what it writes."""
    found = {}
    for rule_name, values in work_on(dataset):
        made = getattr(rules, rule_name)
        paths = [
            expand(strip_wildcard_constraints(pattern), dataset=dataset, **values)
            for pattern in (made.benchmark, *made.output)
        ]
        found |= {job[0]: (rule_name, *job) for job in zip(*paths, strict=True)}
    return list(found.values())


def tables():
    """Every table; the overview goes with them."""
    return [
        "results/accuracy.csv",
        *METHOD_TABLES,
        *ARCHITECTURE_TABLES,
        *COMPARISONS,
        "results/table4.csv",
        "results/published.csv",
        "results/overview.html",
    ]


def figures():
    names = {
        "difficulty-ipc{ipc}": distilled,
        "losses-ipc{ipc}": distilled,
        "convergence-ipc{ipc}": distilled,
        "coupling": divisible,
        "stages-ipc{ipc}": sequential,
        "images-{method}-ipc{ipc}-seed{seed}": lambda run: run.subsets,
        "initial-{method}-ipc{ipc}-seed{seed}": distilled,
        "resources": lambda run: True,
    }
    return [
        path
        for name, wanted in names.items()
        for path in of_every_run(f"{FIGURES}/{name}.png", wanted)
    ]
