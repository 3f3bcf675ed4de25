rule distill_subset:
    input:
        data=DATA,
        prefix=earlier,
        choosers=choosers,
        experts=experts,
        external=external_files,
        state=state,
    output:
        state=made("distill_subset"),
    log:
        log_of("distill_subset"),
    benchmark:
        benchmark_of("distill_subset")
    priority: 1
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("distill_subset"),
        kept_memory=str(CONFIG.kept_memory),
    params:
        script=place("distill_subset"),
        code=code_with_objective,
        objective=objective,
        matching=as_json(stage_of),
        architecture=as_json(matched),
        subset_count=of_run("subsets"),
        sizes=sizes,
        until=[],
        subset_out=[],
    shell:
        "python {params.script:q} --data {input.data:q} --prefix {input.prefix:q} --choosers {input.choosers:q}"
        " --experts {input.experts:q} --external {input.external:q} --state {input.state:q} {params.objective}"
        " --matching {params.matching:q} --architecture {params.architecture:q} --dataset {wildcards.dataset}"
        " --method {wildcards.method} --ipc {wildcards.ipc} --seed {wildcards.seed} --subset {wildcards.subset}"
        " --subset-count {params.subset_count} {params.sizes} {params.until} {params.subset_out:q} --out {output.state:q}"
        " --kept-memory {resources.kept_memory}" + COMPUTE


# A part of a subset's iterations, beside the other subsets, which are as the round before left them.
use rule distill_subset as distill_round with:
    output:
        state=made("distill_round"),
        subset=RULES["distill_round"].outputs[1],
    log:
        log_of("distill_round"),
    benchmark:
        benchmark_of("distill_round")
    resources:
        **training("distill_round"),
        kept_memory=str(CONFIG.kept_memory),
    params:
        script=place("distill_subset"),
        code=code_with_objective,
        objective=objective,
        matching=as_json(stage_of),
        architecture=as_json(matched),
        subset_count=of_run("subsets"),
        sizes=sizes,
        until=until,
        subset_out=subset_out,


# Chooses the snapshot that later subsets are distilled after, and that users take.
rule select_snapshot:
    input:
        data=DATA,
        prefix=prefix,
        snapshots=made("distill_subset"),
    output:
        **table("select_snapshot", 1),
        subset=made("select_snapshot"),
    log:
        log_of("select_snapshot"),
    benchmark:
        benchmark_of("select_snapshot")
    priority: 2
    conda:
        COMPUTING
    threads: 1
    resources:
        **training("select_snapshot"),
    params:
        **networks("select_snapshot", matched),
        selections=selections,
        evaluation=learned_by_scorers,
        called=of_run("architecture"),
        networks=CONFIG.selection.networks,
        name=draws,
    shell:
        "python {params.script:q} --data {input.data:q} --prefix {input.prefix:q} --snapshots {input.snapshots:q}"
        " --selections {params.selections} --architecture {params.architecture:q} --evaluation {params.evaluation:q}"
        " --architecture-name {params.called} --networks {params.networks} --name {params.name:q}"
        " --scores {output.table:q} --out {output.subset:q}" + COMPUTE
