# config alone -> sample_plan.{json,md}: how many answers, tokens, USD and hours a difference or an interval needs, before anything is asked.
# `snakemake plan_samples` prints it.


rule write_sample_plan:
    output:
        json="results/{tier}/sample_plan.json",
        md="results/{tier}/sample_plan.md",
    log:
        "logs/{tier}/write_sample_plan.log",
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=plan.code_hash("write_sample_plan"),
        asked=plan.search.sample_plan_facts,
    message:
        "Planning the samples of tier {wildcards.tier}"
    script:
        "../workflow/scripts/write_sample_plan.py"


rule plan_samples:
    input:
        f"results/{project.settings.tier}/sample_plan.md",
    log:
        "logs/plan_samples.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "Sample plan: {input}"
    shell:
        "cat {input:q} 2> {log:q}"
