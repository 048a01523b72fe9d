# data/ and config -> samples.parquet: what is asked, exact in tokens.


rule build_samples:
    input:
        plan.samples.sources,
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
        version=plan.samples.version,
        parameters=plan.samples.parameters,
        tokenizer=plan.samples.tokenizer,
        limits=plan.samples.limits,
        seed=project.settings.seed,
    message:
        "Building the samples of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/build_samples.py"
