# data/ and config -> samples.parquet: what is asked, exact in tokens.


rule build_samples:
    input:
        sample_sources,
    output:
        f"{EXPERIMENT}/samples.parquet",
    log:
        f"{LOGS}/build_samples.log",
    benchmark:
        f"{BENCHMARKS}/build_samples.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        version=lambda wildcards: task_of(wildcards).version,
        parameters=lambda wildcards: task_of(wildcards).parameters.model_dump_json(),
        tokenizer=tokenizer_settings,
        limits=lambda wildcards: [model_of(wildcards).window, model_of(wildcards).max_output_tokens],
        seed=project.settings.seed,
    message:
        "Building the samples of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/build_samples.py"
