# samples.parquet, responses.parquet, judgements/ -> scores.parquet (one row an answer) -> metrics.csv (n and intervals).


def judgements_of(wildcards):
    return [f"{EXPERIMENT}/judgements/{judge}.parquet" for judge in project.judges_of(wildcards.experiment)]


def added_scores(wildcards):
    task, model = project.task_class(wildcards.experiment), project.models[wildcards.model]
    return [f"{EXPERIMENT}/{name}" for name in task.score_inputs] if model.has_weights else []


def task_code(wildcards):
    """Hash of the code that scores, so that an edit of it scores again."""
    task = project.experiments[wildcards.experiment].task
    own = ["serving/summary.py"] if task == "serving" else []
    return code_hash("scoring.py", "stats.py", "paired.py", "recovery.py", "repetition.py", "tasks/__init__.py", f"tasks/{task}.py", *own)


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
