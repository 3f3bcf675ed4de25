# Each figure has the rows that it is drawn from beside it, and can be drawn again from there.
rule figure_difficulty:
    input:
        table="results/difficulty.csv",
    output:
        figure=drawn(
            "difficulty-ipc{ipc}",
            "difficulty",
            figure="easy and hard images",
            ipc="{ipc}",
        ),
        table=f"{FIGURES}/difficulty-ipc{{ipc}}.csv",
        provenance=f"{FIGURES}/difficulty-ipc{{ipc}}.json",
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
        code=code("figure_difficulty"),
        rows="--dataset {dataset} --ipc {ipc}",
    shell:
        "python {params.script:q} {input.table} {params.rows} --out {output.figure} {output.table} > {log} 2>&1"


use rule figure_difficulty as figure_losses with:
    input:
        table="results/losses.csv",
    output:
        figure=drawn(
            "losses-ipc{ipc}", "losses", figure="losses of all images", ipc="{ipc}"
        ),
        table=f"{FIGURES}/losses-ipc{{ipc}}.csv",
        provenance=f"{FIGURES}/losses-ipc{{ipc}}.json",
    log:
        "logs/{dataset}/figure_losses-ipc{ipc}.log",
    params:
        script=script("figure_losses"),
        code=code("figure_losses"),
        rows="--dataset {dataset} --ipc {ipc}",


use rule figure_difficulty as figure_coupling with:
    input:
        table="results/coupling.csv",
    output:
        figure=drawn("coupling", "coupling", figure="coupling"),
        table=f"{FIGURES}/coupling.csv",
        provenance=f"{FIGURES}/coupling.json",
    log:
        "logs/{dataset}/figure_coupling.log",
    params:
        script=script("figure_coupling"),
        code=code("figure_coupling"),
        rows="--dataset {dataset}",


use rule figure_difficulty as figure_convergence with:
    input:
        table="results/{dataset}/convergence-ipc{ipc}.csv",
    output:
        figure=drawn(
            "convergence-ipc{ipc}", "convergence", figure="course of distillation", ipc="{ipc}"
        ),
        table=f"{FIGURES}/convergence-ipc{{ipc}}.csv",
        provenance=f"{FIGURES}/convergence-ipc{{ipc}}.json",
    log:
        "logs/{dataset}/figure_convergence-ipc{ipc}.log",
    params:
        script=script("figure_convergence"),
        code=code("figure_convergence"),
        rows="--dataset {dataset} --ipc {ipc}",


use rule figure_difficulty as figure_stages with:
    input:
        table="results/stages.csv",
    output:
        figure=drawn("stages-ipc{ipc}", "stages", figure="stages used", ipc="{ipc}"),
        table=f"{FIGURES}/stages-ipc{{ipc}}.csv",
        provenance=f"{FIGURES}/stages-ipc{{ipc}}.json",
    log:
        "logs/{dataset}/figure_stages-ipc{ipc}.log",
    params:
        script=script("figure_stages"),
        code=code("figure_stages"),
        rows="--dataset {dataset} --ipc {ipc}",


use rule figure_difficulty as figure_resources with:
    input:
        table="results/resources.csv",
    output:
        figure=drawn("resources", "resources", figure="time, memory and disk"),
        table=f"{FIGURES}/resources.csv",
        provenance=f"{FIGURES}/resources.json",
    log:
        "logs/{dataset}/figure_resources.log",
    params:
        script=script("figure_resources"),
        code=code("figure_resources"),
        rows="--dataset {dataset}",


rule figure_images:
    input:
        subsets=subsets_of,
    output:
        figure=drawn(
            "images-{method}-ipc{ipc}-seed{seed}",
            "images",
            figure="images of {method}, seed {seed}",
            ipc="{ipc}",
        ),
        table=f"{FIGURES}/images-{{method}}-ipc{{ipc}}-seed{{seed}}.csv",
        provenance=f"{FIGURES}/images-{{method}}-ipc{{ipc}}-seed{{seed}}.json",
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
        code=code("figure_images"),
        title="{dataset}, {method}, ipc {ipc}",
        initial="",
    shell:
        "python {params.script:q} {input.subsets} {params.initial} --title {params.title:q}"
        " --out {output.figure} {output.table} > {log} 2>&1"


use rule figure_images as figure_initial with:
    output:
        figure=drawn(
            "initial-{method}-ipc{ipc}-seed{seed}",
            "initial",
            figure="initial images of {method}, seed {seed}",
            ipc="{ipc}",
        ),
        table=f"{FIGURES}/initial-{{method}}-ipc{{ipc}}-seed{{seed}}.csv",
        provenance=f"{FIGURES}/initial-{{method}}-ipc{{ipc}}-seed{{seed}}.json",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/figure_initial.log",
    params:
        script=script("figure_images"),
        code=code("figure_images"),
        title="{dataset}, {method}, ipc {ipc}",
        initial="--initial",
