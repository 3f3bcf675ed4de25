rule evaluate:
    input:
        data=DATA,
        subsets=subsets_of,
        snapshots=if_other_choices(f"{RUN}/snapshots{{subset}}.safetensors"),
        scores=if_other_choices(f"{RUN}/scores{{subset}}.csv"),
    output:
        table=f"{RUN}/accuracy/{{architecture}}.csv",
        provenance=f"{RUN}/accuracy/{{architecture}}.json",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/evaluate.{architecture}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/evaluate.{architecture}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(480),
    params:
        script=script("evaluate"),
        code=code("evaluate"),
        network=lambda wildcards: defined(
            "networks", wildcards.architecture
        ).model_dump_json(),
        evaluation=as_json(evaluation_of),
        matched_on=lambda wildcards: run_of(wildcards).network,
        selection=lambda wildcards: run_of(wildcards).protocols[0],
        also=other_choices,
    shell:
        "python {params.script:q} --data {input.data} --subsets {input.subsets} --network {params.network:q}"
        " --evaluation {params.evaluation:q} --dataset {wildcards.dataset} --method {wildcards.method}"
        " --ipc {wildcards.ipc} --seed {wildcards.seed} --architecture {wildcards.architecture}"
        " --matched-on {params.matched_on} --selection {params.selection} --also {params.also}"
        " --snapshots {input.snapshots} --scores {input.scores} --out {output.table}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


rule collect_accuracy:
    input:
        tables=unique(own_accuracies(CONFIG.seeds) + cross_accuracies()),
    output:
        table="results/accuracy.csv",
        provenance="results/accuracy.json",
    log:
        "logs/collect_accuracy.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("collect_accuracy"),
        code=code("collect_accuracy"),
    shell:
        "python {params.script:q} {input.tables} --out {output.table} > {log} 2>&1"
