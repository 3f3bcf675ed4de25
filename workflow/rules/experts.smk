rule train_experts:
    input:
        data=DATA,
        prefix=[],
    output:
        "results/{dataset}/experts/{recipe}/shard{shard}.safetensors",
    log:
        "logs/{dataset}/experts/{recipe}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/experts/{recipe}/shard{shard}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        compile=CONFIG.compile,
        mem_mb=memory(2000),
        runtime=growing(240),
    params:
        script=script("train_experts"),
        code=code("train_experts"),
        recipe=lambda wildcards: defined("experts", wildcards.recipe).model_dump_json(),
        network=lambda wildcards: defined(
            "networks", defined("experts", wildcards.recipe).network
        ).model_dump_json(),
        epochs=lambda wildcards: recorded_epochs(wildcards.recipe, wildcards.dataset),
        through=[],
        name=lambda wildcards: f"{wildcards.dataset}/{wildcards.recipe}",
    shell:
        "python {params.script:q} --data {input.data} --prefix {input.prefix} --recipe {params.recipe:q}"
        " --network {params.network:q} {params.through:q} --epochs {params.epochs} --shard {wildcards.shard}"
        " --name {params.name:q} --out {output} --gpu {resources.gpu} --threads {threads} --compile {resources.compile} > {log} 2>&1"


use rule train_experts as train_teachers with:
    input:
        data=DATA,
        prefix=prefix,
    output:
        f"{RUN}/teachers{{subset}}/shard{{shard}}.safetensors",
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/teachers{subset}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/teachers{subset}/shard{shard}.tsv"
    params:
        script=script("train_experts"),
        code=code("train_experts"),
        recipe=as_json(recipe_of),
        network=as_json(matched_network),
        epochs=lambda wildcards: vocabulary.teacher_epochs(stage_of(wildcards)),
        through=lambda wildcards: [
            "--evaluation",
            evaluation_of(wildcards).model_dump_json(),
        ],
        name=lambda wildcards: "/".join(
            [*run_wildcards(wildcards).values(), wildcards.subset]
        ),
