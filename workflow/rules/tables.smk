# Tables are made where Snakemake itself runs, in a second or two each.
TABLE1 = PLAN.own_accuracies(partial(contents.in_table1, EXPERIMENT))
TABLE3 = PLAN.own_accuracies(partial(contents.in_table3, EXPERIMENT))
TABLE2 = PLAN.of_table2()
CONTRASTS = contents.contrasts(EXPERIMENT)
PREFIXES = contents.prefixes(EXPERIMENT)
COMPARED = PLAN.own_accuracies(partial(contents.in_contrasts, CONTRASTS))
METHOD_TABLES = [*PLAN.outputs("table1"), *PLAN.outputs("table3")]
METHODS = contents.method_order(EXPERIMENT)
FIGURES = there([path for path in PLAN.targets if path.endswith(".png")])
FAMILIES = tuple(sorted({network.module for network in CONFIG.architectures.values()}))
# What publications call the data sets and architectures of the experiment.
PUBLISHED_NAMES = [
    "--published-data",
    json.dumps(contents.published_data(EXPERIMENT)),
    "--published-architectures",
    json.dumps(contents.published_architectures(EXPERIMENT)),
]

OF_ANALYSES = ("difficulty", "coupling", "fair_comparison")


# Where they are counted, the networks are built, as nothing else of a table needs them.
rule count_operations:
    output:
        **table("count_operations"),
    log:
        log_of("count_operations"),
    localrule: True
    conda:
        COMPUTING
    threads: 1
    resources:
        **limits("count_operations", 1000),
    params:
        script=place("count_operations"),
        code=code("count_operations", FAMILIES),
        configuration=contents.configuration(EXPERIMENT, OF_ANALYSES),
        resolved=contents.resolved(EXPERIMENT),
    shell:
        "python {params.script:q} --configuration {params.configuration:q} --out {output.table:q} > {log:q} 2>&1"


rule table1:
    input:
        **tables(
            accuracies=needed(TABLE1, "cell of Table 1"),
            operations=made("count_operations"),
        ),
        published=PUBLISHED,
    output:
        **sheet("table1", "table1", "1: methods"),
        further="results/table1-further.tex",
    log:
        log_of("table1"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("table1", 500),
    params:
        **command("table1"),
        number=1,
        methods=METHODS,
        published=PUBLISHED_NAMES,
    shell:
        "python {params.script:q} {input.accuracies:q} --number {params.number} --methods {params.methods} --operations {input.operations:q}"
        " --published {input.published:q} {params.published:q} --csv {output.csv:q} > {log:q} 2>&1"


use rule table1 as table3 with:
    input:
        **tables(
            accuracies=needed(TABLE3, "cell of a subset of ImageNet"),
            operations=made("count_operations"),
        ),
        published=PUBLISHED,
    output:
        **sheet("table3", "table1", "3: ImageNet subsets"),
        further="results/table3-further.tex",
    log:
        log_of("table3"),
    params:
        **command("table1"),
        number=3,
        methods=METHODS,
        published=PUBLISHED_NAMES,


rule table2:
    input:
        **tables(accuracies=needed(TABLE2, "other architectures to evaluate on")),
        published=PUBLISHED,
    output:
        **sheet("table2", "table2", "2: other architectures"),
    log:
        log_of("table2"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("table2", 500),
    params:
        **command("table2"),
        methods=METHODS,
        published=PUBLISHED_NAMES,
    shell:
        "python {params.script:q} {input.accuracies:q} --methods {params.methods} --published {input.published:q}"
        " {params.published:q} --csv {output.csv:q} > {log:q} 2>&1"


rule table4:
    output:
        **sheet("table4", "table4", "4: hyperparameters"),
    log:
        log_of("table4"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("table4", 500),
    params:
        **command("table4"),
        configuration=contents.configuration(EXPERIMENT),
        resolved=contents.resolved(EXPERIMENT),
    shell:
        "python {params.script:q} --configuration {params.configuration:q} --csv {output.csv:q} > {log:q} 2>&1"


rule published:
    input:
        **tables(methods=METHOD_TABLES, architectures=PLAN.outputs("table2")),
        published=PUBLISHED,
    output:
        **sheet("published", "published", "published numbers"),
    log:
        log_of("published"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("published", 500),
    params:
        **command("published"),
        published=PUBLISHED_NAMES,
    shell:
        "python {params.script:q} --method-tables {input.methods:q} --architecture-tables {input.architectures:q}"
        " --published {input.published:q} {params.published:q} --csv {output.csv:q} > {log:q} 2>&1"


rule comparison:
    input:
        **tables(
            accuracies=needed(
                COMPARED,
                "method of several subsets beside one of one subset and the same backbone",
            ),
            operations=made("count_operations"),
        ),
    output:
        **sheet("comparison", "comparison", "sequential against backbone"),
    log:
        log_of("comparison"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("comparison", 500),
    params:
        **command("comparison"),
        contrasts=json.dumps(CONTRASTS),
    shell:
        "python {params.script:q} {input.accuracies:q} --contrasts {params.contrasts:q} --operations {input.operations:q}"
        " --csv {output.csv:q} > {log:q} 2>&1"


rule prefixes:
    input:
        **tables(
            stages=made("collect_stages"),
            accuracies=needed(
                PLAN.own_accuracies(partial(contents.in_prefixes, PREFIXES)),
                "method of several subsets whose backbone makes sets of the first ones' size",
            ),
        ),
    output:
        **sheet("prefixes", "prefixes", "first subsets"),
    log:
        log_of("prefixes"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("prefixes", 500),
    params:
        **command("prefixes"),
        prefixes=json.dumps(PREFIXES),
    shell:
        "python {params.script:q} {input.stages:q} --accuracies {input.accuracies:q} --prefixes {params.prefixes:q}"
        " --csv {output.csv:q} > {log:q} 2>&1"


rule fair:
    input:
        **tables(
            accuracies=PLAN.own_accuracies(bool),
            baselines=needed(
                PLAN.outputs("evaluate_baselines"), "`fair_comparison: true`"
            ),
        ),
    output:
        **sheet("fair", "fair", "improvement over random, and recovery"),
    log:
        log_of("fair"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("fair", 500),
    params:
        **command("fair"),
        methods=METHODS,
    shell:
        "python {params.script:q} {input.accuracies:q} --baselines {input.baselines:q} --methods {params.methods}"
        " --csv {output.csv:q} > {log:q} 2>&1"


# The report's first page, and the whole configuration.
rule overview:
    input:
        **tables(
            tables=METHOD_TABLES,
            comparison=PLAN.outputs("comparison"),
            accuracies=PLAN.own_accuracies(bool),
            resources=PLAN.outputs("collect_resources"),
        ),
        figures=FIGURES,
        captions=[path.replace(".png", ".txt") for path in FIGURES],
        published=PUBLISHED,
    output:
        overview=report(
            made("overview"),
            caption="../report/overview.rst",
            category="Overview",
            labels={"page": "what came out, and what was run"},
        ),
        configuration=report(
            RULES["overview"].outputs[1],
            caption="../report/configuration.rst",
            category="Overview",
            labels={"page": "configuration"},
        ),
    log:
        log_of("overview"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("overview", 500),
    params:
        **command("overview"),
        configuration=contents.configuration(EXPERIMENT),
        resolved=contents.resolved(EXPERIMENT),
        published=PUBLISHED_NAMES,
    shell:
        "python {params.script:q} --tables {input.tables:q} --comparison {input.comparison:q}"
        " --accuracies {input.accuracies:q} --published {input.published:q} {params.published:q}"
        " --resources {input.resources:q} --figures {input.figures:q}"
        " --configuration {params.configuration:q} --out {output.overview:q}"
        " --configuration-page {output.configuration:q} > {log:q} 2>&1"
