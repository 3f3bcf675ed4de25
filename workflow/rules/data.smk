rule fetch_data:
    output:
        "data/{source}/files.json",
    log:
        "logs/fetch_data/{source}.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(240),
    params:
        script=script("fetch_data"),
        places=lambda wildcards: [
            f"--place={place}"
            for place in CONFIG.data.sources.get(wildcards.source, [])
        ],
    shell:
        "python {params.script:q} --source {wildcards.source} {params.places:q} --out {output} > {log} 2>&1"


rule prepare_dataset:
    input:
        files=files_of_source,
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
        mem_mb=memory(1500, bytes_a_pixel=1),
        runtime=growing(60),
    params:
        script=script("prepare_dataset"),
        code=code("prepare_dataset"),
        settings=as_json(dataset_of),
        files=lambda wildcards, input: [f"--files={path}" for path in input.files],
    shell:
        "python {params.script:q} --dataset {wildcards.dataset} --settings {params.settings:q} --out {output}"
        " {params.files}"
        " > {log} 2>&1"
