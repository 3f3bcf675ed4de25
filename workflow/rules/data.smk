rule prepare_dataset:
    output:
        DATA,
    log:
        "logs/{dataset}/prepare_dataset.log",
    benchmark:
        "results/benchmarks/{dataset}/prepare_dataset.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        script=script("prepare_dataset"),
        sources=sources("prepare_dataset"),
        settings=lambda wildcards: defined(
            "datasets", wildcards.dataset
        ).model_dump_json(),
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --settings {params.settings:q} --out {output}"
        " > {log} 2>&1"
