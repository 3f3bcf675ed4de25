rule table1:
    input:
        accuracies=own_accuracies(CONFIG.seeds),
        published=PUBLISHED,
    output:
        csv="results/table1.csv",
        provenance="results/table1.json",
        compared="results/published.csv",
        compared_provenance="results/published.json",
        markdown="results/table1.md",
        html=report(
            "results/table1.html",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "1: methods"},
        ),
        compared_html=report(
            "results/published.html",
            caption="../report/published.rst",
            category="Tables",
            labels={"table": "published numbers"},
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
        sources=sources("table1"),
        methods=METHODS,
        published_data=published_data(),
    shell:
        "python {params.script:q} {input.accuracies} --methods {params.methods} --published {input.published:q}"
        " --sources {params.published_data:q} --compared {output.compared} --csv {output.csv}"
        " --markdown {output.markdown} --html {output.html} --compared-html {output.compared_html} > {log} 2>&1"


rule table2:
    input:
        accuracies=unique(own_accuracies(CROSS_SEEDS, crosses) + cross_accuracies()),
    output:
        csv="results/table2.csv",
        provenance="results/table2.json",
        markdown="results/table2.md",
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
        sources=sources("table2"),
        methods=METHODS,
    shell:
        "python {params.script:q} {input.accuracies} --methods {params.methods} --csv {output.csv}"
        " --markdown {output.markdown} --html {output.html} > {log} 2>&1"
