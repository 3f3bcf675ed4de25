rule record_losses:
    input:
        data=DATA,
        subsets=subsets_of,
    output:
        f"{RUN}/losses.safetensors",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/record_losses.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/record_losses.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(240),
    params:
        script=script("record_losses"),
        code=code("record_losses"),
        network=as_json(matched_network),
        evaluation=as_json(evaluation_of),
        difficulty=CONFIG.difficulty.model_dump_json(),
    shell:
        "python {params.script:q} --data {input.data} --subsets {input.subsets} --network {params.network:q}"
        " --evaluation {params.evaluation:q} --difficulty {params.difficulty:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --out {output}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


rule cluster_difficulty:
    input:
        losses=of_every_run(f"{RUN}/losses.safetensors", distilled),
    output:
        table="results/difficulty.csv",
        provenance="results/difficulty.json",
        bins="results/losses.csv",
        bins_provenance="results/losses.json",
        csv="results/difficulty_stability.csv",
        stability_provenance="results/difficulty_stability.json",
        markdown="results/difficulty_stability.md",
        latex="results/difficulty_stability.tex",
        html=report(
            "results/difficulty_stability.html",
            caption="../report/stability.rst",
            category="Tables",
            labels={"table": "stability of hard and easy"},
        ),
    log:
        "logs/cluster_difficulty.log",
    benchmark:
        "results/benchmarks/cluster_difficulty.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        script=script("cluster_difficulty"),
        code=code("cluster_difficulty"),
    shell:
        "python {params.script:q} {input.losses} --out {output.table} --bins {output.bins} --csv {output.csv}"
        " --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


rule measure_coupling:
    input:
        data=DATA,
        subsets=subsets_of,
    output:
        table=f"{RUN}/coupling.csv",
        provenance=f"{RUN}/coupling.json",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/measure_coupling.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/measure_coupling.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(240),
    params:
        script=script("measure_coupling"),
        code=code("measure_coupling"),
        network=as_json(matched_network),
        evaluation=as_json(evaluation_of),
        coupling=CONFIG.coupling.model_dump_json(),
    shell:
        "python {params.script:q} --data {input.data} --subsets {input.subsets} --network {params.network:q}"
        " --evaluation {params.evaluation:q} --coupling {params.coupling:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --out {output.table}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


rule measure_stages:
    input:
        data=DATA,
        subsets=subsets_of,
    output:
        table=f"{RUN}/stages.csv",
        provenance=f"{RUN}/stages.json",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/measure_stages.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/measure_stages.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(240),
    params:
        script=script("measure_stages"),
        code=code("measure_stages"),
        network=as_json(matched_network),
        evaluation=as_json(evaluation_of),
        architecture=lambda wildcards: run_of(wildcards).network,
    shell:
        "python {params.script:q} --data {input.data} --subsets {input.subsets} --network {params.network:q}"
        " --evaluation {params.evaluation:q} --architecture {params.architecture} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --out {output.table}"
        " --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


rule collect_coupling:
    input:
        tables=of_every_run(f"{RUN}/coupling.csv", divisible),
    output:
        table="results/coupling.csv",
        provenance="results/coupling.json",
    log:
        "logs/collect_coupling.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("collect_tables"),
        code=code("collect_tables"),
    shell:
        "python {params.script:q} {input.tables} --out {output.table} > {log} 2>&1"


use rule collect_coupling as collect_stages with:
    input:
        tables=of_every_run(f"{RUN}/stages.csv", sequential),
    output:
        table="results/stages.csv",
        provenance="results/stages.json",
    log:
        "logs/collect_stages.log",


rule collect_convergence:
    input:
        snapshots=of_one_cell(f"{RUN}/snapshots{{subset}}.safetensors", distilled),
        scores=of_one_cell(f"{RUN}/scores{{subset}}.csv", distilled),
    output:
        table="results/{dataset}/convergence-ipc{ipc}.csv",
        provenance="results/{dataset}/convergence-ipc{ipc}.json",
    log:
        "logs/{dataset}/collect_convergence-ipc{ipc}.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        script=script("collect_convergence"),
        code=code("collect_convergence"),
    shell:
        "python {params.script:q} --snapshots {input.snapshots} --scores {input.scores} --out {output.table}"
        " > {log} 2>&1"


# What jobs wrote is measured, but no input: whoever deletes experts to save room does not get them again.
rule measure_resources:
    input:
        benchmarks=lambda wildcards: [job[1] for job in jobs_on(wildcards.dataset)],
    output:
        table="results/{dataset}/resources.csv",
        provenance="results/{dataset}/resources.json",
    log:
        "logs/{dataset}/measure_resources.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("measure_resources"),
        code=code("measure_resources"),
        jobs=lambda wildcards: [
            word for job in jobs_on(wildcards.dataset) for word in ("--job", *job)
        ],
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} {params.jobs} --out {output.table} > {log} 2>&1"


use rule collect_coupling as collect_resources with:
    input:
        tables=of_every_dataset("results/{dataset}/resources.csv"),
    output:
        table="results/resources.csv",
        provenance="results/resources.json",
    log:
        "logs/collect_resources.log",
