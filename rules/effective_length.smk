# The effective length, found adaptively: rounds/{n}/choice.json -> samples -> responses -> judgements -> scores -> rounds/{n+1}/choice.json,
# until a choice says why it stopped -> effective_length.{json,md}. `snakemake effective_length` runs it for all that config names.


wildcard_constraints:
    round=r"[1-9]\d*",


ROUND = f"{EXPERIMENT}/rounds/{{round}}"
ROUND_LOGS = f"{LOGS}/rounds/{{round}}"
ROUND_BENCHMARKS = f"{BENCHMARKS}/rounds/{{round}}"


checkpoint choose_round:
    input:
        plan.search.scores_before,
    output:
        f"{ROUND}/choice.json",
    log:
        f"{ROUND_LOGS}/choose_round.log",
    priority: 1
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=plan.code_hash("choose_round"),
        search=plan.search.settings,
    message:
        "Choosing round {wildcards.round} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/choose_round.py"


rule build_round:
    input:
        plan.samples.sources,
        choice=f"{ROUND}/choice.json",
        earlier=plan.search.samples_before,
    output:
        f"{ROUND}/samples.parquet",
    log:
        f"{ROUND_LOGS}/build_round.log",
    benchmark:
        f"{ROUND_BENCHMARKS}/build_round.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        version=plan.samples.version,
        parameters=plan.samples.parameters,
        tokenizer=plan.samples.tokenizer,
        seed=project.settings.seed,
    message:
        "Building round {wildcards.round} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/build_round.py"


use rule collect_responses as ask_round with:
    input:
        samples=f"{ROUND}/samples.parquet",
        weights=plan.responses.served_files,
    output:
        f"{ROUND}/responses/{{shard}}-of-{{shards}}.parquet",
    log:
        f"{ROUND_LOGS}/collect_responses-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{ROUND_BENCHMARKS}/collect_responses-{{shard}}-of-{{shards}}.tsv"
    message:
        "Asking {wildcards.model} round {wildcards.round} of {wildcards.experiment} ({wildcards.tier}, {wildcards.shard} of {wildcards.shards})"


use rule gather_responses as gather_round with:
    input:
        samples=f"{ROUND}/samples.parquet",
        shards=plan.search.shards,
    output:
        responses=f"{ROUND}/responses.parquet",
        dashboard=f"{ROUND}/token_dashboard.txt",
        summary=f"{ROUND}/token_summary.json",
    log:
        f"{ROUND_LOGS}/gather_responses.log",
    benchmark:
        f"{ROUND_BENCHMARKS}/gather_responses.tsv"
    message:
        "Gathering round {wildcards.round} of {wildcards.experiment} from {wildcards.model} ({wildcards.tier})"


use rule judge_responses as judge_round with:
    input:
        samples=f"{ROUND}/samples.parquet",
        responses=f"{ROUND}/responses.parquet",
    output:
        f"{ROUND}/judgements/{{judge}}.parquet",
    log:
        f"{ROUND_LOGS}/judge_responses-{{judge}}.log",
    benchmark:
        f"{ROUND_BENCHMARKS}/judge_responses-{{judge}}.tsv"
    message:
        "Judging round {wildcards.round} of {wildcards.experiment} of {wildcards.model} by {wildcards.judge} ({wildcards.tier})"


use rule score_responses as score_round with:
    input:
        samples=f"{ROUND}/samples.parquet",
        responses=f"{ROUND}/responses.parquet",
        judgements=plan.search.judgements,
    output:
        scores=f"{ROUND}/scores.parquet",
        metrics=f"{ROUND}/metrics.csv",
    log:
        f"{ROUND_LOGS}/score_responses.log",
    benchmark:
        f"{ROUND_BENCHMARKS}/score_responses.tsv"
    message:
        "Scoring round {wildcards.round} of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"


rule write_effective_length:
    input:
        lambda wildcards: plan.search.choices(wildcards, checkpoints.choose_round.get),
    output:
        json=f"{EXPERIMENT}/effective_length.json",
        md=f"{EXPERIMENT}/effective_length.md",
    log:
        f"{LOGS}/write_effective_length.log",
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=plan.code_hash("write_effective_length"),
    message:
        "Effective length of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/write_effective_length.py"


rule effective_length:
    input:
        plan.search.of_selection_named(),
    log:
        "logs/effective_length.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "Effective lengths: {input}"
    shell:
        "cat {input:q} 2> {log:q}"
