rule figure_difficulty:
    input:
        difficulty="results/difficulty.csv",
    output:
        report(
            "results/figures/{dataset}/difficulty-ipc{ipc}.png",
            caption="../report/difficulty.rst",
            category="Figures",
            labels={
                "figure": "easy and hard images",
                "data set": "{dataset}",
                "ipc": "{ipc}",
            },
        ),
        "results/figures/{dataset}/difficulty-ipc{ipc}.pdf",
    log:
        "logs/{dataset}/figure_difficulty-ipc{ipc}.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("figure_difficulty"),
        sources=sources("figure_difficulty"),
    shell:
        "python {params.script:q} {input.difficulty} --dataset {wildcards.dataset} --ipc {wildcards.ipc}"
        " --out {output} > {log} 2>&1"


rule figure_images:
    input:
        subsets=subsets_of,
    output:
        report(
            "results/figures/{dataset}/images-{method}-ipc{ipc}-seed{seed}.png",
            caption="../report/images.rst",
            category="Figures",
            labels={
                "figure": "images of {method}, seed {seed}",
                "data set": "{dataset}",
                "ipc": "{ipc}",
            },
        ),
        "results/figures/{dataset}/images-{method}-ipc{ipc}-seed{seed}.pdf",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/figure_images.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("figure_images"),
        sources=sources("figure_images"),
        title="{dataset}, {method}, ipc {ipc}",
    shell:
        "python {params.script:q} {input.subsets} --title {params.title:q} --out {output} > {log} 2>&1"
