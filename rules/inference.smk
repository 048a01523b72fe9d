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
        weights=plan.responses.served_files,
    output:
        f"{EXPERIMENT}/responses/{{shard}}-of-{{shards}}.parquet",
    log:
        f"{LOGS}/collect_responses-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{BENCHMARKS}/collect_responses-{{shard}}-of-{{shards}}.tsv"
    priority: plan.responses.priority
    conda:
        "../envs/contextrot.yaml"
    threads: plan.responses.threads
    resources:
        **plan.responses.api,
        gpu=plan.responses.gpus,
        mem_mb=plan.responses.memory,
        runtime=1440,
    params:
        version=plan.responses.version,
        parameters=plan.responses.parameters,
        model=plan.responses.answering,
    message:
        "Asking {wildcards.model} the samples of {wildcards.experiment} ({wildcards.tier}, {wildcards.shard} of {wildcards.shards})"
    script:
        "../workflow/scripts/collect_responses.py"


rule gather_responses:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        shards=plan.responses.shards,
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
        code=plan.code_hash("gather_responses"),
    message:
        "Gathering the responses of {wildcards.experiment} from {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/gather_responses.py"
