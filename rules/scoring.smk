# samples.parquet, responses.parquet, judgements/ -> scores.parquet (one row an answer), metrics.csv (n and intervals).


rule score_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=plan.judging.judgements,
        added=plan.scores.added,
    output:
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
    log:
        f"{LOGS}/score_responses.log",
    benchmark:
        f"{BENCHMARKS}/score_responses.tsv"
    priority: 1
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.scores.code,
    message:
        "Scoring {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/score_responses.py"
