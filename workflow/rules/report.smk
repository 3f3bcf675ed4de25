ORDER = list(
    dict.fromkeys(
        [*vocabulary.STANDARD_METHODS, *(run.method for run in RUNS.values())]
    )
)


def tables():
    cross = ["results/table2.csv"] if CONFIG.architectures else []
    return ["results/accuracy.csv", "results/table1.csv", *cross]


def figures():
    names = of_every_run(
        "results/figures/{dataset}/difficulty-ipc{ipc}.png", distilled
    ) + of_every_run(
        "results/figures/{dataset}/images-{method}-ipc{ipc}-seed{seed}.png",
        lambda run: run.subsets,
    )
    return list(dict.fromkeys(names))


rule table1:
    input:
        sources=sources("table1"),
        accuracy="results/accuracy.csv",
    output:
        csv="results/table1.csv",
        provenance="results/table1.json",
        markdown="results/table1.md",
    params:
        methods=ORDER,
    log:
        "logs/table1.log",
    conda:
        "../../environment.yml"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python {input.sources[0]} {input.accuracy} --methods {params.methods} --csv {output.csv}"
        " --markdown {output.markdown} > {log} 2>&1"


use rule table1 as table2 with:
    input:
        sources=sources("table2"),
        accuracy="results/accuracy.csv",
    output:
        csv="results/table2.csv",
        provenance="results/table2.json",
        markdown="results/table2.md",
    log:
        "logs/table2.log",


rule figure_difficulty:
    input:
        sources=sources("figure_difficulty"),
        difficulty="results/difficulty.csv",
    output:
        "results/figures/{dataset}/difficulty-ipc{ipc}.png",
        "results/figures/{dataset}/difficulty-ipc{ipc}.pdf",
    log:
        "logs/{dataset}/figure_difficulty-ipc{ipc}.log",
    conda:
        "../../environment.yml"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python {input.sources[0]} {input.difficulty} --dataset {wildcards.dataset} --ipc {wildcards.ipc}"
        " --out {output} > {log} 2>&1"


rule figure_images:
    input:
        sources=sources("figure_images"),
        subsets=subsets_of,
    output:
        "results/figures/{dataset}/images-{method}-ipc{ipc}-seed{seed}.png",
        "results/figures/{dataset}/images-{method}-ipc{ipc}-seed{seed}.pdf",
    params:
        title="{dataset}, {method}, ipc {ipc}",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/figure_images.log",
    conda:
        "../../environment.yml"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python {input.sources[0]} {input.subsets} --title {params.title:q} --out {output} > {log} 2>&1"
