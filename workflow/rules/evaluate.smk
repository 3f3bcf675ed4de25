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
        expand(
            pattern, subset=run_of(wildcards).subsets, **run_wildcards(wildcards)
        )
        if other_choices(wildcards)
        else []
    )


rule evaluate:
    input:
        sources=sources("evaluate"),
        data=DATA,
        subsets=subsets_of,
        snapshots=if_other_choices(f"{RUN}/snapshots{{subset}}.safetensors"),
        scores=if_other_choices(f"{RUN}/scores{{subset}}.csv"),
    output:
        table=f"{RUN}/accuracy/{{architecture}}.csv",
        provenance=f"{RUN}/accuracy/{{architecture}}.json",
    params:
        network=lambda wildcards: CONFIG.networks[
            wildcards.architecture
        ].model_dump_json(),
        evaluation=as_json(evaluation_of),
        matched_on=lambda wildcards: run_of(wildcards).network,
        selection=lambda wildcards: run_of(wildcards).protocols[0],
        also=other_choices,
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/evaluate.{architecture}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/evaluate.{architecture}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=2000,
        runtime=480,
    shell:
        "python {input.sources[0]} --data {input.data} --subsets {input.subsets} --network {params.network:q}"
        " --evaluation {params.evaluation:q} --dataset {wildcards.dataset} --method {wildcards.method}"
        " --ipc {wildcards.ipc} --seed {wildcards.seed} --architecture {wildcards.architecture}"
        " --matched-on {params.matched_on} --selection {params.selection} --also {params.also}"
        " --snapshots {input.snapshots} --scores {input.scores} --out {output.table}"
        " --gpu {resources.gpu} --threads {threads} > {log} 2>&1"


def accuracies():
    """The matched network for every run, the other architectures for every synthetic set."""
    file = f"{RUN}/accuracy/{{architecture}}.csv"
    return of_every_run(
        file,
        architecture=lambda run: list(
            dict.fromkeys(
                [run.network, *(CONFIG.architectures if run.subsets else [])]
            )
        ),
    )


rule collect_accuracy:
    input:
        sources=sources("collect_accuracy"),
        tables=accuracies(),
    output:
        table="results/accuracy.csv",
        provenance="results/accuracy.json",
    log:
        "logs/collect_accuracy.log",
    conda:
        "../../environment.yml"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python {input.sources[0]} {input.tables} --out {output.table} > {log} 2>&1"
