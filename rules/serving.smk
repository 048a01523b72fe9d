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
        f"{MEASURED}/{{mode}}/requests.parquet",
        f"{MEASURED}/{{mode}}/parity.parquet",
        f"{MEASURED}/{{mode}}/summary.json",
        f"{MEASURED}/{{mode}}/run_metadata.json",
    log:
        f"{LOGS}/measure_mode-{{mode}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_mode-{{mode}}.tsv"
    wildcard_constraints:
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
        scores=f"{MEASURED}/scores.parquet",
        metrics=f"{MEASURED}/metrics.csv",
        responses=f"{MEASURED}/responses.parquet",
        parity=f"{MEASURED}/parity.json",
        dashboard=f"{MEASURED}/token_dashboard.txt",
        summary=f"{MEASURED}/token_summary.json",
    log:
        f"{LOGS}/join_modes.log",
    benchmark:
        f"{BENCHMARKS}/join_modes.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=lambda wildcards: code_hash("join_modes", *members_of_task(wildcards, *SCORING)),
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
        f"{MEASURED}/report_latest.md",
    log:
        f"{LOGS}/report_serving.log",
    benchmark:
        f"{BENCHMARKS}/report_serving.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=code_hash("report_serving"),
    message:
        "Reporting {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/report_serving.py"


rule serving:
    input:
        serving_results(),
    localrule: True
