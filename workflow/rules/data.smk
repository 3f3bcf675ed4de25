def mirrors(wildcards):
    return [
        f"--mirror={mirror}" for mirror in CONFIG.data.sources.get(wildcards.source, [])
    ]


def files_of_source(wildcards):
    """The list of files that a data set is read from, if they are fetched."""
    source = defined("datasets", wildcards.dataset).source
    return PLAN.outputs("fetch_data", lambda job: job["source"] == source)


rule fetch_data:
    output:
        made("fetch_data"),
    log:
        log_of("fetch_data"),
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **limits("fetch_data", 1000),
    params:
        script=command("fetch_data")["script"],
        mirrors=mirrors,
    shell:
        "python {params.script:q} --source {wildcards.source} {params.mirrors:q} --out {output}"
        + LOGGED


rule prepare_dataset:
    input:
        files=files_of_source,
    output:
        made("prepare_dataset"),
    log:
        log_of("prepare_dataset"),
    benchmark:
        benchmark_of("prepare_dataset")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **limits("prepare_dataset", 1500, 1),
    params:
        **command("prepare_dataset"),
        preparation=named("datasets", "dataset"),
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --preparation {params.preparation:q}"
        " --files {input.files} --out {output}" + LOGGED
