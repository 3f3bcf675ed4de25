def shards(recipe, folder):
    return expand(
        f"{folder}/shard{{shard}}.safetensors",
        shard=range(CONFIG.experts[recipe].shards),
        allow_missing=True,
    )


def experts_of(wildcards):
    """Experts that the subset is distilled from: shared ones for the first, teachers of its own for later ones."""
    stage = stage_of(wildcards)
    if stage.iterations == 0:
        return []
    if wildcards.subset == "1":
        folder = f"results/{wildcards.dataset}/experts/{stage.experts}"
    else:
        folder = f"{RUN}/teachers{wildcards.subset}"
    return expand(
        shards(stage.experts, folder), **run_wildcards(wildcards)
    )


rule train_experts:
    input:
        sources=sources("train_experts"),
        data=DATA,
        prefix=[],
    output:
        "results/{dataset}/experts/{recipe}/shard{shard}.safetensors",
    params:
        recipe=lambda wildcards: CONFIG.experts[wildcards.recipe].model_dump_json(),
        network=lambda wildcards: CONFIG.networks[
            CONFIG.experts[wildcards.recipe].network
        ].model_dump_json(),
        epochs=lambda wildcards: vocabulary.recorded_epochs(
            CONFIG, wildcards.recipe, wildcards.dataset
        ),
        through=[],
        name=lambda wildcards: f"{wildcards.dataset}/{wildcards.recipe}",
    log:
        "logs/{dataset}/experts/{recipe}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/experts/{recipe}/shard{shard}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=2000,
        runtime=240,
    shell:
        "python {input.sources[0]} --data {input.data} --prefix {input.prefix} --recipe {params.recipe:q}"
        " --network {params.network:q} {params.through:q} --epochs {params.epochs} --shard {wildcards.shard}"
        " --name {params.name:q} --out {output} --gpu {resources.gpu} --threads {threads} > {log} 2>&1"


use rule train_experts as train_teachers with:
    input:
        sources=sources("train_experts"),
        data=DATA,
        prefix=prefix,
    output:
        f"{RUN}/teachers{{subset}}/shard{{shard}}.safetensors",
    params:
        recipe=as_json(recipe_of),
        network=as_json(matched_network),
        epochs=lambda wildcards: vocabulary.epochs_needed(stage_of(wildcards)),
        through=lambda wildcards: [
            "--evaluation",
            evaluation_of(wildcards).model_dump_json(),
        ],
        name=lambda wildcards: "/".join(
            [*run_wildcards(wildcards).values(), wildcards.subset]
        ),
    log:
        "logs/{dataset}/{method}/ipc{ipc}/seed{seed}/teachers{subset}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{method}/ipc{ipc}/seed{seed}/teachers{subset}/shard{shard}.tsv"
