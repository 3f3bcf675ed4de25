rule fetch_data:
    output:
        made("fetch_data"),
    log:
        log_of("fetch_data"),
    localrule: True
    conda:
        COMPUTING
    threads: 1
    resources:
        **limits("fetch_data", 1000),
    params:
        script=place("fetch_data"),
        mirrors=mirrors,
    shell:
        "python {params.script:q} --source {wildcards.source} {params.mirrors:q} --out {output:q} > {log:q} 2>&1"


# Published files, and a user's own images, lie where Snakemake itself runs: other machines may not see them.
rule prepare_dataset:
    input:
        files=files_of_source,
    output:
        made("prepare_dataset"),
    log:
        log_of("prepare_dataset"),
    benchmark:
        benchmark_of("prepare_dataset")
    localrule: STORED
    conda:
        COMPUTING
    threads: 1
    resources:
        **limits("prepare_dataset", 1500),
    params:
        **command("prepare_dataset"),
        known=known_of_source,
        preparation=named("datasets", "dataset"),
        folder=folder_of_source,
        images_per_class=images_per_class,
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --preparation {params.preparation:q}"
        " --files {input.files:q} --images-per-class {params.images_per_class} --out {output:q} > {log:q} 2>&1"
