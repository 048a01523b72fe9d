# samples.parquet, responses.parquet -> judgements/{judge}.parquet: right or wrong, by a named judge.


rule judge_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        files=plan.judging.files,
    output:
        f"{EXPERIMENT}/judgements/{{judge}}.parquet",
    log:
        f"{LOGS}/judge_responses-{{judge}}.log",
    benchmark:
        f"{BENCHMARKS}/judge_responses-{{judge}}.tsv"
    priority: plan.judging.priority
    conda:
        "../envs/contextrot.yaml"
    threads: plan.judging.threads
    resources:
        **plan.judging.api,
        gpu=plan.judging.gpus,
        mem_mb=plan.judging.memory,
        runtime=plan.judging.minutes,
    params:
        judge=plan.judging.settings,
        code=plan.judging.code,
    message:
        "Judging {wildcards.experiment} of {wildcards.model} by {wildcards.judge} ({wildcards.tier})"
    script:
        "../workflow/scripts/judge_responses.py"
