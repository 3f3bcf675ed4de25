# Each figure has its caption and the rows that it is drawn from beside it, and can be drawn again from there.


rule figure_difficulty:
    input:
        **tables(shown=RULES["cluster_difficulty"].outputs[0]),
    output:
        **drawn(
            "figure_difficulty",
            "difficulty",
            figure="easy and hard images",
            ipc="{ipc}",
        ),
    log:
        log_of("figure_difficulty"),
    localrule: True
    conda:
        DRAWING
    threads: 1
    resources:
        **limits("figure_difficulty", 500),
    params:
        **drawing("figure_difficulty"),
        rows=["--dataset", "{dataset}", "--ipc", "{ipc}"],
    shell:
        "python {params.script:q} {input.shown:q} {params.rows:q} {params.look}"
        " --out {output.figure:q} {output.txt:q} {output.tex:q} {output.csv:q} > {log:q} 2>&1"


use rule figure_difficulty as figure_common_difficulty with:
    input:
        **tables(shown=made("compare_difficulty")),
    output:
        **drawn(
            "figure_common_difficulty",
            "common_difficulty",
            figure="what stages teach",
            ipc="{ipc}",
        ),
    log:
        log_of("figure_common_difficulty"),
    params:
        **drawing("figure_common_difficulty"),
        rows=["--dataset", "{dataset}", "--ipc", "{ipc}"],


use rule figure_difficulty as figure_losses with:
    input:
        **tables(shown=RULES["cluster_difficulty"].outputs[1]),
    output:
        **drawn("figure_losses", "losses", figure="losses of all images", ipc="{ipc}"),
    log:
        log_of("figure_losses"),
    params:
        **drawing("figure_losses"),
        rows=["--dataset", "{dataset}", "--ipc", "{ipc}"],


use rule figure_difficulty as figure_coupling with:
    input:
        **tables(shown=made("collect_coupling")),
    output:
        **drawn("figure_coupling", "coupling", figure="coupling"),
    log:
        log_of("figure_coupling"),
    params:
        **drawing("figure_coupling"),
        rows=["--dataset", "{dataset}"],


use rule figure_difficulty as figure_differences with:
    input:
        **tables(shown=made("comparison")),
    output:
        **drawn("figure_differences", "differences", figure="differences of methods"),
    log:
        log_of("figure_differences"),
    params:
        **drawing("figure_differences"),
        rows=["--dataset", "{dataset}"],


use rule figure_difficulty as figure_convergence with:
    input:
        **tables(shown=made("collect_convergence")),
    output:
        **drawn(
            "figure_convergence",
            "convergence",
            figure="convergence of distillation",
            ipc="{ipc}",
        ),
    log:
        log_of("figure_convergence"),
    params:
        **drawing("figure_convergence"),
        rows=["--dataset", "{dataset}", "--ipc", "{ipc}"],


use rule figure_difficulty as figure_stages with:
    input:
        **tables(shown=made("collect_stages")),
    output:
        **drawn("figure_stages", "stages", figure="stages used", ipc="{ipc}"),
    log:
        log_of("figure_stages"),
    params:
        **drawing("figure_stages"),
        rows=["--dataset", "{dataset}", "--ipc", "{ipc}"],


use rule figure_difficulty as figure_resources with:
    input:
        **tables(shown=made("collect_resources")),
    output:
        **drawn("figure_resources", "resources", figure="time, memory and disk"),
    log:
        log_of("figure_resources"),
    params:
        **drawing("figure_resources"),
        rows=["--dataset", "{dataset}"],


use rule figure_difficulty as figure_images with:
    input:
        shown=subsets,
    output:
        **drawn(
            "figure_images",
            "images",
            figure="images of {method}, seed {seed}",
            ipc="{ipc}",
        ),
    log:
        log_of("figure_images"),
    params:
        **drawing("figure_images"),
        rows=lambda wildcards: ["--title", title_of(wildcards)],


use rule figure_images as figure_initial with:
    output:
        **drawn(
            "figure_initial",
            "initial",
            figure="initial images of {method}, seed {seed}",
            ipc="{ipc}",
        ),
    log:
        log_of("figure_initial"),
    params:
        **drawing("figure_images"),
        rows=lambda wildcards: ["--initial", "--title", title_of(wildcards)],
