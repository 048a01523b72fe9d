# samples.parquet, responses.parquet -> judgements/{judge}.parquet: right or wrong, by a named judge.


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
    # a judge that runs here answers after the models that it judges
    priority: lambda wildcards: turn(judge_of(wildcards).model, after=len(PLACES))
    conda:
        "../envs/contextrot.yaml"
    threads: lambda wildcards: engine_threads(model) if (model := judging_model(wildcards)) else 1
    resources:
        **api_resources(judging_model),
        gpu=lambda wildcards: model.gpu if (model := judging_model(wildcards)) else 0,
        mem_mb=lambda wildcards, attempt: (8000 if judging_model(wildcards) else 2000) * attempt,
        runtime=lambda wildcards: 1440 if judging_model(wildcards) else 60,
    params:
        judge=judging_settings,
        code=code_hash("judging.py", "judge_requests.py", "judges/*.py", "rubrics.py", "chroma_csv.py", *MATCHING),
    message:
        "Judging {wildcards.experiment} of {wildcards.model} by {wildcards.judge} ({wildcards.tier})"
    script:
        "../workflow/scripts/judge_responses.py"
