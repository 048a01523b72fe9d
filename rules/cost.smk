# samples.parquet of all selected models and experiments -> cost_estimate.{json,md}: what a run will cost, before it is paid.
# `snakemake cost_estimate` prints it; `snakemake request_store` prints the size of the request store and how to clear it.


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
        folder=project.settings.request_store,
    message:
        "Size of the request store"
    script:
        "../workflow/scripts/describe_store.py"
