# samples.parquet of all selected models and experiments -> cost_estimate.{json,md}: what a run will cost, before it is paid.
# `snakemake cost_estimate` prints it; `snakemake request_store` shows what the request store holds, and verify_, pack_, export_ and
# prune_request_store do what they say.


rule estimate_cost:
    input:
        plan.report.of_tier("samples.parquet"),
    output:
        json="results/{tier}/cost_estimate.json",
        md="results/{tier}/cost_estimate.md",
    log:
        "logs/{tier}/estimate_cost.log",
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=plan.report.estimating_code(),
        models=plan.report.prices(),
        judges=plan.report.judges(),
    message:
        "Estimating the cost of tier {wildcards.tier}"
    script:
        "../workflow/scripts/estimate_cost.py"


rule cost_estimate:
    input:
        f"results/{project.settings.tier}/cost_estimate.md",
        plan.report.checks(),
    log:
        "logs/cost_estimate.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "Cost estimate: {input}"
    shell:
        "cat {input:q} 2> {log:q}"


rule request_store:
    log:
        "logs/request_store.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        action="show",
        folder=project.settings.request_store,
    message:
        "What the request store holds"
    script:
        "../workflow/scripts/keep_request_store.py"


rule verify_request_store:
    log:
        "logs/verify_request_store.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        action="verify",
        folder=project.settings.request_store,
    message:
        "Reading every byte of the request store"
    script:
        "../workflow/scripts/keep_request_store.py"


rule pack_request_store:
    log:
        "logs/pack_request_store.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        action="pack",
        folder=project.settings.request_store,
    message:
        "Packing the request store's files of earlier versions"
    script:
        "../workflow/scripts/keep_request_store.py"


rule export_request_store:
    log:
        "logs/export_request_store.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        action="export",
        folder=project.settings.request_store,
        output="results/request_store.jsonl",
    message:
        "Writing the request store's answers as JSON lines"
    script:
        "../workflow/scripts/keep_request_store.py"


rule prune_request_store:
    log:
        "logs/prune_request_store.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        action="prune",
        folder=project.settings.request_store,
        models=project.settings.prune_models,
    message:
        "Pruning the request store"
    script:
        "../workflow/scripts/keep_request_store.py"
