# samples.parquet -> {mode}/summary.json, ... -> scores.parquet, parity.json -> report_latest.md: the engine's own speed.
# A measurement on the CPU takes all cores, one on a GPU the GPU, so that nothing else of the workflow is measured with it.


ruleorder: join_modes > score_responses
ruleorder: join_modes > gather_responses


rule measure_mode:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        parity=parity_samples,
        weights=lambda wildcards: files_of_folder(model_of(wildcards).name, "*.safetensors", "*.json", "*.jinja"),
    output:
        f"{EXPERIMENT}/{{mode}}/requests.parquet",
        f"{EXPERIMENT}/{{mode}}/parity.parquet",
        f"{EXPERIMENT}/{{mode}}/summary.json",
        f"{EXPERIMENT}/{{mode}}/run_metadata.json",
    log:
        f"{LOGS}/measure_mode-{{mode}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_mode-{{mode}}.tsv"
    wildcard_constraints:
        experiment=any_of(SERVING) or "no experiment",
        mode=any_of(SERVING_MODES),
    conda:
        "../envs/contextrot.yaml"
    threads: lambda wildcards: 8 if model_of(wildcards).gpu else workflow.cores or 8
    resources:
        mem_mb=growing(16000),
        runtime=240,
        gpu=lambda wildcards: model_of(wildcards).gpu,
    params:
        version=lambda wildcards: task_of(wildcards).version,
        parameters=lambda wildcards: task_of(wildcards).parameters.model_dump_json(),
        model=measured_settings,
    message:
        "Measuring {wildcards.model} {wildcards.mode}: {wildcards.experiment} ({wildcards.tier})"
    script:
        "../workflow/scripts/measure_mode.py"


rule join_modes:
    input:
        requests=mode_folders("requests.parquet"),
        answers=mode_folders("parity.parquet"),
    output:
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
        responses=f"{EXPERIMENT}/responses.parquet",
        parity=f"{EXPERIMENT}/parity.json",
        dashboard=f"{EXPERIMENT}/token_dashboard.txt",
        summary=f"{EXPERIMENT}/token_summary.json",
    log:
        f"{LOGS}/join_modes.log",
    benchmark:
        f"{BENCHMARKS}/join_modes.tsv"
    wildcard_constraints:
        experiment=any_of(SERVING) or "no experiment",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=lambda wildcards: code_hash("serving/compare.py") + task_code(wildcards),
    message:
        "Joining the modes of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/join_modes.py"


rule report_serving:
    input:
        metrics=f"{EXPERIMENT}/metrics.csv",
        parity=f"{EXPERIMENT}/parity.json",
        summaries=mode_folders("summary.json"),
        metadata=mode_folders("run_metadata.json"),
    output:
        f"{EXPERIMENT}/report_latest.md",
    log:
        f"{LOGS}/report_serving.log",
    benchmark:
        f"{BENCHMARKS}/report_serving.tsv"
    wildcard_constraints:
        experiment=any_of(SERVING) or "no experiment",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=code_hash("serving/compare.py", "serving/summary.py"),
    message:
        "Reporting {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/report_serving.py"


rule serving:
    input:
        serving_results(),
    localrule: True
