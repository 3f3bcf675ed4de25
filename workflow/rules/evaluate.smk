rule evaluate:
    input:
        **tables(scores=of_last_subset("select_snapshot", 1)),
        data=DATA,
        subsets=subsets,
        snapshots=of_last_subset("distill_subset"),
    output:
        **table("evaluate"),
    log:
        log_of("evaluate"),
    benchmark:
        benchmark_of("evaluate")
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("evaluate"),
    params:
        **networks("evaluate", evaluated, module_of_own_protocol),
        own=own_protocol,
        evaluation=evaluation,
        matched_on=of_run("architecture"),
        selection=main_selection,
        also=other_selections,
    shell:
        "python {params.script:q} --data {input.data:q} --subsets {input.subsets:q} --architecture {params.architecture:q}"
        " --evaluation {params.evaluation:q} --dataset {wildcards.dataset} --method {wildcards.method}"
        " --ipc {wildcards.ipc} --seed {wildcards.seed} --architecture-name {wildcards.architecture}"
        " --matched-on {params.matched_on} --selection {params.selection} --also {params.also}"
        " --snapshots {input.snapshots:q} --scores {input.scores:q} {params.own} --out {output.table:q}"
        + COMPUTE


# Random images, and class labels, under the evaluation and step sizes of a set.
rule evaluate_baselines:
    input:
        data=DATA,
        subsets=subsets,
        choosers=labellers,
    output:
        **table("evaluate_baselines"),
    log:
        log_of("evaluate_baselines"),
    benchmark:
        benchmark_of("evaluate_baselines")
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("evaluate_baselines"),
    params:
        **networks("evaluate_baselines", matched),
        evaluation=evaluation,
        called=of_run("architecture"),
        sizes=sizes,
    shell:
        "python {params.script:q} --data {input.data:q} --subsets {input.subsets:q} --choosers {input.choosers:q} {params.sizes}"
        " --architecture {params.architecture:q} --evaluation {params.evaluation:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --architecture-name {params.called}"
        " --out {output.table:q}" + COMPUTE


rule collect_accuracy:
    input:
        **tables(tables=PLAN.outputs("evaluate")),
    output:
        **table("collect_accuracy"),
    log:
        log_of("collect_accuracy"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("collect_accuracy", 500),
    params:
        **command("collect_tables"),
    shell:
        "python {params.script:q} {input.tables:q} --out {output.table:q} > {log:q} 2>&1"
