# What wildcards stand for: functions of a job's wildcards, and what makes such functions.


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


def title_of(wildcards):
    """Words for the synthetic set that the wildcards name."""
    return contents.title(run_of(wildcards), wildcards.seed)


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


@as_json
def learned_by_one(wildcards):
    """How a network learns from a run's subsets: how many are evaluated in the end is nothing to it."""
    anyhow = type(run_of(wildcards).evaluation).model_fields["networks"].default
    return run_of(wildcards).evaluation.model_copy(update={"networks": anyhow})


def is_last(wildcards):
    return int(wildcards.subset) == run_of(wildcards).subsets


def learned_by_scorers(wildcards):
    """How networks learn that score a subset's snapshots; of the last, whose file tells its users, all of it."""
    return (evaluation if is_last(wildcards) else learned_by_one)(wildcards)


def selections(wildcards):
    """What snapshots are scored for; other selections than the first are evaluated of the last subset alone."""
    found = run_of(wildcards).selections
    return found if is_last(wildcards) else found[:1]


def matched(wildcards):
    """The architecture that the run matches."""
    return CONFIG.architectures[run_of(wildcards).architecture]


def evaluated(wildcards):
    return defined("architectures", wildcards.architecture)


def networks(script_name, architecture, further=lambda wildcards: ()):
    """As `command`, with the architecture that networks are of, as a function of the wildcards; of the families of networks
    only its own takes part in the fingerprint, and of other modules that are loaded by name those of `further`.
    """

    def code_with_family(wildcards):
        return code(script_name, (architecture(wildcards).module, *further(wildcards)))

    return {
        "script": place(script_name),
        "code": code_with_family,
        "architecture": as_json(architecture),
    }


@cache
def needed_mb(rule_name, **wildcards):
    """Megabytes that a job needs beyond what its rule always does."""
    numbers = {
        name: int(wildcards[name]) for name in ("subset", "round") if name in wildcards
    }
    try:
        return memory.needed(SCALE, rule_name, wildcards | numbers) // 1_000_000
    except LookupError:  # outside the configuration: its parameters say so
        return 0


def run_wildcards(wildcards):
    return {
        name: getattr(wildcards, name) for name in ("dataset", "method", "ipc", "seed")
    }


def draws(wildcards):
    """A name for the random draws of a job: its run and subset."""
    return "/".join([*run_wildcards(wildcards).values(), wildcards.subset])


def recipe_draws(wildcards):
    return f"{wildcards.dataset}/{wildcards.recipe}"


def files(pattern, wildcards, **more):
    """The files of a pattern, for the run that the wildcards name."""
    return expand(pattern, **run_wildcards(wildcards), **more)


def prefix(wildcards):
    """The subsets before the one that the wildcards name, in order."""
    earlier = range(1, int(wildcards.subset))
    return files(made("select_snapshot"), wildcards, subset=earlier)


def round_of(wildcards):
    """The round that the wildcards name, or the last one, with which a subset is done; 0 where there are none."""
    return int(wildcards.get("round", run_of(wildcards).rounds))


def earlier(wildcards):
    """The subsets that this one is distilled after: selected ones, or in rounds what the round before left of them; the
    initial images come after none."""
    if not run_of(wildcards).rounds:
        return prefix(wildcards)
    pattern = RULES["distill_round"].outputs[1]
    numbers = range(1, int(wildcards.subset)) if round_of(wildcards) else []
    return files(pattern, wildcards, subset=numbers, round=round_of(wildcards) - 1)


def taught_by(wildcards):
    """The subsets that the teachers of this one went through."""
    count = run_of(wildcards).taught_by(int(wildcards.subset))
    return earlier(wildcards)[:count]


def state(wildcards):
    """Where the round before left the subset, if there is one."""
    before = round_of(wildcards) - 1
    return (
        files(made("distill_round"), wildcards, subset=wildcards.subset, round=before)
        if before >= 0
        else []
    )


def until(wildcards):
    """Iterations that are done when the round ends."""
    done = run_of(wildcards).done_after(int(wildcards.subset), round_of(wildcards))
    return ["--until", done]


def subset_out(wildcards, output):
    return ["--subset-out", output.subset]


def sizes(wildcards):
    """Images per class of each subset, where the configuration says them."""
    run = run_of(wildcards)
    given = any(stage.size for stage in run.stages)
    return ["--sizes", *run.sizes] if given else []


def subsets(wildcards):
    """S_1 … S_K; none for `whole`."""
    numbers = range(1, run_of(wildcards).subsets + 1)
    return files(made("select_snapshot"), wildcards, subset=numbers)


def shards(recipe):
    return range(CONFIG.experts[recipe].shards)


def experts(wildcards):
    """Experts that the subset is distilled from: shared ones for the first, teachers of its own for later ones."""
    run, stage, k = run_of(wildcards), stage_of(wildcards), int(wildcards.subset)
    if run.rounds and not round_of(wildcards):
        return []
    if run.uses_teachers(k):
        name = (
            "train_teachers_of_round"
            if "round" in wildcards.keys()
            else "train_teachers"
        )
        about = {"subset": k, "round": round_of(wildcards)}
        return files(made(name), wildcards, shard=shards(stage.experts), **about)
    return recipe_files(wildcards, stage) if run.matches_experts(k) else []


def choosers(wildcards):
    """Experts that choose or label the real images that the subset starts from."""
    run, stage, k = run_of(wildcards), stage_of(wildcards), int(wildcards.subset)
    if state(wildcards):  # which has the initial images
        return []
    return recipe_files(wildcards, stage) if run.asks_experts(k) else []


def labellers(wildcards):
    """Experts that label real images as they did those of the run."""
    run = run_of(wildcards)
    return recipe_files(wildcards, run.stages[0]) if run.soft else []


def recipe_files(wildcards, stage):
    return expand(
        made("train_experts"),
        dataset=wildcards.dataset,
        recipe=stage.experts,
        shard=shards(stage.experts),
    )


def external_files(wildcards):
    """The files of a set that another program made, which are the user's: no prefix of a module goes before them."""
    run, stage = run_of(wildcards), stage_of(wildcards)
    return [local(path) for path in external.files(stage)] if run.external else []


def other_selections(wildcards):
    """Selections of the last snapshot that are evaluated besides the main selection's: on the matched network alone."""
    run = run_of(wildcards)
    return run.selections[1:] if wildcards.architecture == run.architecture else ()


def own_protocol(wildcards):
    """The objective, where it has an own protocol: on the matched network alone."""
    run = run_of(wildcards)
    own = wildcards.architecture == run.architecture and run.own_protocol
    return ["--own-protocol", run.declaration.objective] if own else []


def module_of_own_protocol(wildcards):
    found = own_protocol(wildcards) and run_of(wildcards).own_protocol
    return [found.partition(":")[0]] if found else []


def of_last_subset(rule_name, number=0):
    """A file that a rule makes of the last subset, where another of its snapshots is evaluated."""
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


def analysed(rule_name, of=""):
    """What a rule makes of the methods that are analysed."""
    return needed(PLAN.outputs(rule_name), f"distilled method {of}that is analysed")


def there(paths):
    """All paths; for a report, those of them that exist."""
    reports = any(word.partition("=")[0] == "--report" for word in sys.argv)
    return (
        [path for path in paths if os.path.exists(path)]
        if reports and not STORED
        else paths
    )


def wanted(wildcards):
    """What `all` makes; for a report, what of it is there, since Snakemake reports all or nothing (in a store, all)."""
    made = there(PLAN.targets)
    if not made:
        raise WorkflowError("there is nothing to report yet; run the workflow first")
    if len(made) < len(PLAN.targets):
        logger.warning(
            f"the report shows the {len(made)} of {len(PLAN.targets)} tables and figures that are there"
        )
    return made


def mirrors(wildcards, output):
    """Options of places to try first; a parameter that takes the output, as this one, reruns nothing when it changes."""
    return [
        f"--mirror={mirror}" for mirror in CONFIG.data.mirrors.get(wildcards.source, [])
    ]


def images_per_class(wildcards, output):
    """Training images of each class that the largest synthetic set starts from; as `mirrors`, it reruns nothing."""
    runs = [run for run in EXPERIMENT.runs.values() if run.dataset == wildcards.dataset]
    return max([SCALE.started(run) for run in runs if not run.external] + [1])


def known_of_source(wildcards):
    """What the catalog tells of a source: readers look it up."""
    source = defined("datasets", wildcards.dataset).source
    return str(SOURCES.get(source)) + str(IMAGENET_SUBSETS.get(source))


@cache
def warn(message):
    """Once."""
    logger.warning(message)


def folder_of_source(wildcards, output):
    """The folder of a user's own images. Unless they are prepared, a run does not begin without it; a plan may be made
    on another machine, and warns."""
    path = defined("datasets", wildcards.dataset).path
    if path is None or STORED or os.path.isdir(path) or os.path.exists(output[0]):
        return path
    missing = f"datasets.{wildcards.dataset}.path = {path}: there is no such folder (seen from {os.getcwd()})"
    if not workflow.dryrun:
        raise WorkflowError(missing)
    warn(missing)


def files_of_source(wildcards):
    """The list of files that a data set is read from, if they are fetched."""
    source = defined("datasets", wildcards.dataset).source
    return PLAN.outputs("fetch_data", lambda job: job["source"] == source)


def recorded_epochs(wildcards):
    epochs = EXPERIMENT.recorded_epochs.get((wildcards.recipe, wildcards.dataset))
    if epochs is None:
        raise WorkflowError(
            f"no cell of the configuration asks for experts {wildcards.recipe} on {wildcards.dataset}"
        )
    return epochs


def architecture_of_recipe(wildcards):
    return defined("architectures", defined("experts", wildcards.recipe).architecture)


def recipe(name):
    """A recipe, as one shard needs it: another number of shards repeats none, nor do epochs that are trained anyway."""
    return defined("experts", name).model_copy(update={"shards": 1, "epochs": None})


def recipe_of_shard(wildcards):
    return recipe(wildcards.recipe)


def recipe_of_stage(wildcards):
    return recipe(stage_of(wildcards).experts)


def teacher_epochs(wildcards):
    return run_of(wildcards).epochs(int(wildcards.subset))


def through_earlier_stages(wildcards):
    return ["--evaluation", learned_by_one(wildcards)]


def objective(wildcards):
    """What is matched, if anything is."""
    name = run_of(wildcards).declaration.objective
    return [] if name is None else ["--objective", name]


def code_with_objective(wildcards):
    """A fingerprint of the command with what it loads by name: the family of its networks, and the objective's step with
    how that is declared."""
    family, declared = matched(wildcards).module, run_of(wildcards).objective
    if run_of(wildcards).external:
        return code("distill_subset", (family, "seqmatch.synthetic.external"))
    if declared is None:
        return code("distill_subset", (family,))
    text = declared.reaching(stage_of(wildcards))
    return code("distill_subset", (family, declared.module), (text,))


def main_selection(wildcards):
    """How the snapshot of the last subset was chosen."""
    return run_of(wildcards).selections[0]


def name_of_architecture(wildcards):
    return ["--architecture-name", run_of(wildcards).architecture]


def measured(wildcards):
    """The jobs that compute for a data set."""
    return [
        job
        for name in COMPUTING_RULES
        for job in PLAN.by_rule[name]
        if job.wildcards["dataset"] == wildcards.dataset
    ]


def benchmarks(wildcards):
    return [job.benchmark for job in measured(wildcards)]


def files_by_rule(wildcards):
    """Each job's rule and files, as options."""
    return [
        word
        for job in measured(wildcards)
        for word in ("--job", job.rule, *job.outputs)
    ]
