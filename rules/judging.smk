# samples.parquet, responses.parquet -> judgements/{judge}.parquet: right or wrong, by a named judge.


def judge_of(wildcards):
    return project.settings.judges[wildcards.judge]


rule judge_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
    output:
        f"{EXPERIMENT}/judgements/{{judge}}.parquet",
    log:
        f"{LOGS}/judge_responses-{{judge}}.log",
    benchmark:
        f"{BENCHMARKS}/judge_responses-{{judge}}.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        judge=lambda wildcards: judge_of(wildcards).model_dump_json(),
        code=code_hash("judging.py", "judges/*.py"),
    message:
        "Judging {wildcards.experiment} of {wildcards.model} by {wildcards.judge} ({wildcards.tier})"
    script:
        "../workflow/scripts/judge_responses.py"
