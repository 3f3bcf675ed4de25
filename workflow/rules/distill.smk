rule distill_subset:
    input:
        data=DATA,
        prefix=prefix,
        choosers=choosers_of,
        experts=experts_of,
    output:
        f"{RUN}/snapshots{{subset}}.safetensors",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/distill_subset{subset}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/distill_subset{subset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(720),
    params:
        script=script("distill_subset"),
        sources=sources("distill_subset"),
        settings=as_json(stage_of),
        network=as_json(matched_network),
        subsets=lambda wildcards: run_of(wildcards).subsets,
    shell:
        "python {params.script:q} --data {input.data} --prefix {input.prefix} --choosers {input.choosers}"
        " --experts {input.experts}"
        " --settings {params.settings:q} --network {params.network:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed}"
        " --subset {wildcards.subset} --subsets {params.subsets} --out {output}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


# Chooses the snapshot that later subsets are distilled after, and that users take.
rule select_snapshot:
    input:
        data=DATA,
        prefix=prefix,
        snapshots=f"{RUN}/snapshots{{subset}}.safetensors",
    output:
        subset=f"{RUN}/subset{{subset}}.safetensors",
        scores=f"{RUN}/scores{{subset}}.csv",
        provenance=f"{RUN}/scores{{subset}}.json",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/select_snapshot{subset}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/select_snapshot{subset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(240),
    params:
        script=script("select_snapshot"),
        sources=sources("select_snapshot"),
        protocols=lambda wildcards: run_of(wildcards).protocols,
        network=as_json(matched_network),
        evaluation=as_json(evaluation_of),
        networks=CONFIG.selection.networks,
        name=lambda wildcards: "/".join(
            [*run_wildcards(wildcards).values(), wildcards.subset]
        ),
    shell:
        "python {params.script:q} --data {input.data} --prefix {input.prefix} --snapshots {input.snapshots}"
        " --selections {params.protocols} --network {params.network:q} --evaluation {params.evaluation:q}"
        " --networks {params.networks} --name {params.name:q} --scores {output.scores} --out {output.subset}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"
