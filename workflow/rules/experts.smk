rule train_experts:
    input:
        data=DATA,
        prefix=[],
    output:
        made("train_experts"),
    log:
        log_of("train_experts"),
    benchmark:
        benchmark_of("train_experts")
    priority: 3  # what most waits for goes first, so that no chain of stages is begun last and runs alone
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("train_experts"),
    params:
        **networks("train_experts", architecture_of_recipe),
        recipe=as_json(recipe_of_shard),
        epochs=recorded_epochs,
        through=[],
        name=recipe_draws,
        images_per_class=images_per_class,
    shell:
        "python {params.script:q} --data {input.data:q} --prefix {input.prefix:q} --recipe {params.recipe:q}"
        " --architecture {params.architecture:q} {params.through:q} --epochs {params.epochs} --shard {wildcards.shard}"
        " --name {params.name:q} --images-per-class {params.images_per_class} --out {output:q}"
        + COMPUTE


use rule train_experts as train_teachers with:
    input:
        data=DATA,
        prefix=taught_by,
    output:
        made("train_teachers"),
    log:
        log_of("train_teachers"),
    benchmark:
        benchmark_of("train_teachers")
    resources:
        **training("train_teachers"),
    params:
        **networks("train_experts", matched),
        recipe=as_json(recipe_of_stage),
        epochs=teacher_epochs,
        through=through_earlier_stages,
        name=draws,
        images_per_class=images_per_class,


use rule train_teachers as train_teachers_of_round with:
    output:
        made("train_teachers_of_round"),
    log:
        log_of("train_teachers_of_round"),
    benchmark:
        benchmark_of("train_teachers_of_round")
    resources:
        **training("train_teachers_of_round"),
