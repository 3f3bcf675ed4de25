# Tables are made where Snakemake itself runs, in a second or two each.
rule table1:
    input:
        accuracies=needed(TABLE1, "cell of Table 1"),
        published=PUBLISHED,
    output:
        csv="results/table1.csv",
        provenance="results/table1.json",
        markdown="results/table1.md",
        latex="results/table1.tex",
        html=report(
            "results/table1.html",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "1: methods"},
        ),
    log:
        "logs/table1.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("table1"),
        code=code("table1"),
        number=1,
        methods=METHODS,
        published_data=published_data(),
    shell:
        "python {params.script:q} {input.accuracies} --number {params.number} --methods {params.methods}"
        " --published {input.published:q} --sources {params.published_data:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


use rule table1 as table3 with:
    input:
        accuracies=needed(TABLE3, "cell of a subset of ImageNet"),
        published=PUBLISHED,
    output:
        csv="results/table3.csv",
        provenance="results/table3.json",
        markdown="results/table3.md",
        latex="results/table3.tex",
        html=report(
            "results/table3.html",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "3: ImageNet subsets"},
        ),
    log:
        "logs/table3.log",
    params:
        script=script("table1"),
        code=code("table1"),
        number=3,
        methods=METHODS,
        published_data=published_data(),


rule table2:
    input:
        accuracies=needed(TABLE2, "other architectures to evaluate on"),
        published=PUBLISHED,
    output:
        csv="results/table2.csv",
        provenance="results/table2.json",
        markdown="results/table2.md",
        latex="results/table2.tex",
        html=report(
            "results/table2.html",
            caption="../report/table2.rst",
            category="Tables",
            labels={"table": "2: other architectures"},
        ),
    log:
        "logs/table2.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("table2"),
        code=code("table2"),
        methods=METHODS,
        published_data=published_data(),
        networks=published_networks(),
    shell:
        "python {params.script:q} {input.accuracies} --methods {params.methods} --published {input.published:q}"
        " --sources {params.published_data:q} --networks {params.networks:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


rule table4:
    output:
        csv="results/table4.csv",
        provenance="results/table4.json",
        markdown="results/table4.md",
        latex="results/table4.tex",
        html=report(
            "results/table4.html",
            caption="../report/table4.rst",
            category="Tables",
            labels={"table": "4: hyperparameters"},
        ),
    log:
        "logs/table4.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("table4"),
        code=code("table4"),
        configuration=configuration(),
        resolved=resolved(),
    shell:
        "python {params.script:q} --configuration {params.configuration:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


rule published:
    input:
        methods=METHOD_TABLES,
        architectures=ARCHITECTURE_TABLES,
        published=PUBLISHED,
    output:
        csv="results/published.csv",
        provenance="results/published.json",
        markdown="results/published.md",
        latex="results/published.tex",
        html=report(
            "results/published.html",
            caption="../report/published.rst",
            category="Tables",
            labels={"table": "published numbers"},
        ),
    log:
        "logs/published.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("published"),
        code=code("published"),
        published_data=published_data(),
        networks=published_networks(),
    shell:
        "python {params.script:q} --methods {input.methods} --architectures {input.architectures}"
        " --published {input.published:q} --sources {params.published_data:q} --networks {params.networks:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


rule comparison:
    input:
        accuracies=needed(
            own_accuracies(
                CONFIG.seeds,
                lambda run: any(
                    (run.dataset, str(run.ipc)) == (dataset, ipc)
                    and run.method in methods
                    for dataset, ipc, *methods in CONTRASTS
                ),
            ),
            "method of several subsets beside one of one subset and the same backbone",
        ),
    output:
        csv="results/comparison.csv",
        provenance="results/comparison.json",
        markdown="results/comparison.md",
        latex="results/comparison.tex",
        html=report(
            "results/comparison.html",
            caption="../report/comparison.rst",
            category="Tables",
            labels={"table": "sequential against backbone"},
        ),
    log:
        "logs/comparison.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("comparison"),
        code=code("comparison"),
        contrasts=json.dumps(CONTRASTS),
    shell:
        "python {params.script:q} {input.accuracies} --contrasts {params.contrasts:q}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} --html {output.html} > {log} 2>&1"


# The report's first page, and the whole configuration.
rule overview:
    input:
        tables=METHOD_TABLES,
        comparison=COMPARISONS,
        accuracies=own_accuracies(CONFIG.seeds),
        published=PUBLISHED,
        after="results/resources.csv",  # so that all times are known
    output:
        overview=report(
            "results/overview.html",
            caption="../report/overview.rst",
            category="Overview",
            labels={"page": "what was run, and what came out"},
        ),
        configuration=report(
            "results/configuration.html",
            caption="../report/configuration.rst",
            category="Overview",
            labels={"page": "configuration"},
        ),
    log:
        "logs/overview.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        script=script("overview"),
        code=code("overview"),
        configuration=configuration(),
        resolved=resolved(),
        published_data=published_data(),
    shell:
        "python {params.script:q} --tables {input.tables} --comparison {input.comparison}"
        " --accuracies {input.accuracies} --published {input.published:q} --sources {params.published_data:q}"
        " --benchmarks results/benchmarks --configuration {params.configuration:q} --out {output.overview}"
        " --configuration-page {output.configuration} > {log} 2>&1"
