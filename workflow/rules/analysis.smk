rule record_losses:
    input:
        data=DATA,
        subsets=subsets,
    output:
        table=made("record_losses"),
    log:
        log_of("record_losses"),
    benchmark:
        benchmark_of("record_losses")
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("record_losses"),
    params:
        **networks("record_losses", matched),
        evaluation=learned_by_one,
        more=["--difficulty", CONFIG.difficulty.model_dump_json()],
    shell:
        "python {params.script:q} --data {input.data:q} --subsets {input.subsets:q} --architecture {params.architecture:q}"
        " --evaluation {params.evaluation:q} {params.more:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --out {output.table:q}"
        + COMPUTE


use rule record_losses as measure_coupling with:
    output:
        **table("measure_coupling"),
    log:
        log_of("measure_coupling"),
    benchmark:
        benchmark_of("measure_coupling")
    resources:
        **training("measure_coupling"),
    params:
        **networks("measure_coupling", matched),
        evaluation=learned_by_one,
        more=["--coupling", CONFIG.coupling.model_dump_json()],


use rule record_losses as measure_stages with:
    output:
        **table("measure_stages"),
    log:
        log_of("measure_stages"),
    benchmark:
        benchmark_of("measure_stages")
    resources:
        **training("measure_stages"),
    params:
        **networks("measure_stages", matched),
        evaluation=evaluation,
        more=name_of_architecture,


rule cluster_difficulty:
    input:
        losses=analysed("record_losses"),
    output:
        **sheet("cluster_difficulty", "stability", "stability of hard and easy"),
        **table("cluster_difficulty"),
        bins=RULES["cluster_difficulty"].outputs[1],
        bins_provenance=RULES["cluster_difficulty"].outputs[1].replace(".csv", ".json"),
    log:
        log_of("cluster_difficulty"),
    benchmark:
        benchmark_of("cluster_difficulty")
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("cluster_difficulty", 2000),
    params:
        **command("cluster_difficulty"),
    shell:
        "python {params.script:q} {input.losses:q} --out {output.table:q} --bins {output.bins:q} --csv {output.csv:q} > {log:q} 2>&1"


rule compare_difficulty:
    input:
        losses=analysed("record_losses"),
    output:
        **table("compare_difficulty"),
    log:
        log_of("compare_difficulty"),
    benchmark:
        benchmark_of("compare_difficulty")
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("compare_difficulty", 2000),
    params:
        **command("compare_difficulty"),
    shell:
        "python {params.script:q} {input.losses:q} --out {output.table:q} > {log:q} 2>&1"


use rule collect_accuracy as collect_coupling with:
    input:
        **tables(tables=analysed("measure_coupling")),
    output:
        **table("collect_coupling"),
    log:
        log_of("collect_coupling"),


use rule collect_accuracy as collect_stages with:
    input:
        **tables(tables=analysed("measure_stages", "of several subsets ")),
    output:
        **table("collect_stages"),
    log:
        log_of("collect_stages"),


use rule collect_accuracy as collect_resources with:
    input:
        **tables(tables=PLAN.outputs("measure_resources")),
    output:
        **table("collect_resources"),
    log:
        log_of("collect_resources"),


rule collect_convergence:
    input:
        **tables(scores=of_cell("select_snapshot", 1)),
        snapshots=of_cell("distill_subset"),
    output:
        **table("collect_convergence"),
    log:
        log_of("collect_convergence"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("collect_convergence", 1000),
    params:
        **command("collect_convergence"),
    shell:
        "python {params.script:q} {input.snapshots:q} --score-tables {input.scores:q} --out {output.table:q} > {log:q} 2>&1"


# What jobs wrote is measured, but is no input: deleted experts are not retrained.
rule measure_resources:
    input:
        benchmarks=benchmarks,
    output:
        **table("measure_resources"),
    log:
        log_of("measure_resources"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("measure_resources", 500),
    params:
        **command("measure_resources"),
        jobs=files_by_rule,
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --benchmarks {input.benchmarks:q} {params.jobs}"
        " --out {output.table:q} > {log:q} 2>&1"
