# metrics, scores, samples, responses, judgements/ of a tier -> trust.csv, trust_limits.csv, trust.{png,svg,pdf}, index.html

rule write_trust:
    input:
        plan.report.of_tier("metrics.csv"),
        plan.report.of_tier("scores.parquet"),
    output:
        lengths="results/{tier}/trust.csv",
        limits="results/{tier}/trust_limits.csv",
    log:
        "logs/{tier}/write_trust.log",
    benchmark:
        "benchmarks/runs/{tier}/write_trust.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.shown.code("write_trust"),
        limits=plan.shown.limits(),
    message:
        "Finding how long a context can be trusted ({wildcards.tier})"
    script:
        "../workflow/scripts/write_trust.py"


rule draw_trust:
    input:
        lengths="results/{tier}/trust.csv",
    output:
        report(
            "results/{tier}/trust.{format}",
            caption="../workflow/report/trust.rst",
            category="Summary",
            labels={"result": "quality, time and price over length"},
        ),
    log:
        "logs/{tier}/draw_trust-{format}.log",
    benchmark:
        "benchmarks/runs/{tier}/draw_trust-{format}.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.code_hash("draw_trust"),
        facts=plan.shown.facts(),
    message:
        "Drawing quality, time and price over length ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_trust.py"


rule write_page:
    input:
        plan.report.of_tier("metrics.csv"),
        plan.report.of_tier("scores.parquet"),
        plan.report.of_tier("samples.parquet"),
        plan.report.of_tier("responses.parquet"),
        plan.shown.judgements,
        plan.shown.templates(),
    output:
        "results/{tier}/index.html",
    log:
        "logs/{tier}/write_page.log",
    benchmark:
        "benchmarks/runs/{tier}/write_page.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        code=plan.shown.code("write_page"),
        limits=plan.shown.limits(),
    message:
        "Writing the page of tier {wildcards.tier}"
    script:
        "../workflow/scripts/write_page.py"
