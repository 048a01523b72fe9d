# samples.parquet -> responses/{shard}-of-{shards}.parquet -> responses.parquet, token_dashboard.txt, token_summary.json:
# what the model answered, with tokens, time and outcome. One job has one engine and asks all samples of its shard; on one machine
# a model's server goes on to the run's next job.


onstart:
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        from contextrot.responses.kept_servers import start_host

        start_host()


rule collect_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        weights=lambda wildcards: files_of_folder(model_of(wildcards).name, "*.safetensors", "*.json", "*.jinja"),
    output:
        f"{EXPERIMENT}/responses/{{shard}}-of-{{shards}}.parquet",
    log:
        f"{LOGS}/collect_responses-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{BENCHMARKS}/collect_responses-{{shard}}-of-{{shards}}.tsv"
    # first what has the longest way to go: layers to look at
    priority: lambda wildcards: turn(wildcards.model, after=0 if added_scores(wildcards) else 0.5)
    conda:
        "../envs/contextrot.yaml"
    # a job that waits for a server elsewhere takes no core; one that runs a model on the CPU as many as its engine
    threads: lambda wildcards: engine_threads(model_of(wildcards))
    resources:
        **api_resources(model_of),
        gpu=lambda wildcards: model_of(wildcards).gpu,
        mem_mb=lambda wildcards, attempt: (2000 if engines.of(model_of(wildcards)).elsewhere else 8000) * attempt,
        runtime=1440,
    params:
        version=lambda wildcards: task_of(wildcards).version,
        parameters=lambda wildcards: task_of(wildcards).parameters.model_dump_json(),
        model=answering_settings,
    message:
        "Asking {wildcards.model} the samples of {wildcards.experiment} ({wildcards.tier}, {wildcards.shard} of {wildcards.shards})"
    script:
        "../workflow/scripts/collect_responses.py"


rule gather_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        shards=shards_of,
    output:
        responses=f"{EXPERIMENT}/responses.parquet",
        dashboard=f"{EXPERIMENT}/token_dashboard.txt",
        summary=f"{EXPERIMENT}/token_summary.json",
    log:
        f"{LOGS}/gather_responses.log",
    benchmark:
        f"{BENCHMARKS}/gather_responses.tsv"
    priority: 1
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=code_hash("gather_responses"),
    message:
        "Gathering the responses of {wildcards.experiment} from {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/gather_responses.py"
