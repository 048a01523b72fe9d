# samples.parquet -> {mode}/summary.json, ... -> scores.parquet, parity.json -> report_latest.md: the engine's own speed.
# A measurement on the CPU takes all cores, one on a GPU the GPU, so that nothing else of the workflow is measured with it.

from contextrot.plan.serving import MODE


ruleorder: join_modes > score_responses
ruleorder: join_modes > gather_responses


rule measure_mode:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        parity=plan.serving.parity_samples,
        weights=plan.serving.served_files,
    output:
        f"{plan.serving.folder}/{{mode}}/requests.parquet",
        f"{plan.serving.folder}/{{mode}}/parity.parquet",
        f"{plan.serving.folder}/{{mode}}/summary.json",
        f"{plan.serving.folder}/{{mode}}/run_metadata.json",
        f"{plan.serving.folder}/{{mode}}/vllm_bench.jsonl",
        f"{plan.serving.folder}/{{mode}}/guidellm.json",
    log:
        f"{LOGS}/measure_mode-{{mode}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_mode-{{mode}}.tsv"
    wildcard_constraints:
        mode=MODE,
    conda:
        "../envs/contextrot.yaml"
    threads: plan.serving.threads
    resources:
        mem_mb=growing(16000),
        runtime=240,
        gpu=plan.serving.gpus,
    params:
        version=plan.serving.version,
        parameters=plan.serving.parameters,
        model=plan.serving.settings,
    message:
        "Measuring {wildcards.model} {wildcards.mode}: {wildcards.experiment} ({wildcards.tier})"
    script:
        "../workflow/scripts/measure_mode.py"


rule join_modes:
    input:
        requests=plan.serving.of_modes("requests.parquet"),
        answers=plan.serving.of_modes("parity.parquet"),
    output:
        scores=f"{plan.serving.folder}/scores.parquet",
        metrics=f"{plan.serving.folder}/metrics.csv",
        responses=f"{plan.serving.folder}/responses.parquet",
        parity=f"{plan.serving.folder}/parity.json",
        pairs=f"{plan.serving.folder}/pairs.csv",
        dashboard=f"{plan.serving.folder}/token_dashboard.txt",
        summary=f"{plan.serving.folder}/token_summary.json",
    log:
        f"{LOGS}/join_modes.log",
    benchmark:
        f"{BENCHMARKS}/join_modes.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.serving.joining_code,
    message:
        "Joining the modes of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/join_modes.py"


rule report_serving:
    input:
        metrics=f"{EXPERIMENT}/metrics.csv",
        parity=f"{EXPERIMENT}/parity.json",
        pairs=f"{EXPERIMENT}/pairs.csv",
        summaries=plan.serving.of_modes("summary.json"),
        metadata=plan.serving.of_modes("run_metadata.json"),
    output:
        f"{plan.serving.folder}/report_latest.md",
    log:
        f"{LOGS}/report_serving.log",
    benchmark:
        f"{BENCHMARKS}/report_serving.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.code_hash("report_serving"),
    message:
        "Reporting {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/report_serving.py"


rule serving:
    input:
        plan.serving.results(),
    localrule: True
