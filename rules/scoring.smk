# samples.parquet, responses.parquet, judgements/ -> scores.parquet (one row an answer) -> metrics.csv (n and intervals).


rule score_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=judgements_of,
        added=added_scores,
    output:
        f"{EXPERIMENT}/scores.parquet",
    log:
        f"{LOGS}/score_responses.log",
    benchmark:
        f"{BENCHMARKS}/score_responses.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=task_code,
    message:
        "Scoring {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/score_responses.py"


rule summarize_scores:
    input:
        scores=f"{EXPERIMENT}/scores.parquet",
    output:
        f"{EXPERIMENT}/metrics.csv",
    log:
        f"{LOGS}/summarize_scores.log",
    benchmark:
        f"{BENCHMARKS}/summarize_scores.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=task_code,
    message:
        "Summarizing the scores of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/summarize_scores.py"
