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
        sources=sources("record_losses"),
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
        sources=sources("cluster_difficulty"),
    shell:
        "python {params.script:q} {input.losses} --out {output.table} --csv {output.csv}"
        " --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"
