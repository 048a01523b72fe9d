# samples.parquet (and responses.parquet where the task needs the zero-shot answers), a local model's weights
#   -> cosines.parquet, likelihoods.parquet, extraction.json; any experiment's by its path.
# cosines.parquet -> figures/cosine_{heatmap,lines}_by_{column}.png, such as niah's cosine_lines_by_length.
# scores.parquet, cosines.parquet -> pairs/{target}_vs_{distractor}.json, ..._debug.json -> pairs/verification.csv; target `verify`.


rule extract_cosines:
    input:
        unpack(plan.hidden_states.sources),
        samples=f"{EXPERIMENT}/samples.parquet",
        weights=plan.hidden_states.weights,
    output:
        cosines=f"{EXPERIMENT}/cosines.parquet",
        likelihoods=f"{EXPERIMENT}/likelihoods.parquet",
        record=f"{EXPERIMENT}/extraction.json",
    log:
        f"{LOGS}/extract_cosines.log",
    benchmark:
        f"{BENCHMARKS}/extract_cosines.tsv"
    priority: plan.hidden_states.priority
    conda:
        "../envs/contextrot.yaml"
    threads: plan.hidden_states.threads
    resources:
        gpu=plan.hidden_states.gpus,
        mem_mb=growing(8000),
        runtime=240,
    params:
        code=plan.hidden_states.code,
        options=plan.hidden_states.options,
    message:
        "Looking at the layers of {wildcards.model} for {wildcards.experiment} ({wildcards.tier})"
    script:
        "../workflow/scripts/extract_cosines.py"


rule draw_cosines:
    input:
        cosines=f"{EXPERIMENT}/cosines.parquet",
    output:
        f"{EXPERIMENT}/figures/cosine_{{kind}}_by_{{column}}.{{format}}",
    log:
        f"{LOGS}/draw_cosines-{{kind}}-{{column}}-{{format}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_cosines-{{kind}}-{{column}}-{{format}}.tsv"
    wildcard_constraints:
        kind="heatmap|lines",
        column=r"[a-z_]+",
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("draw_cosines"),
        titles=captions.titles,
    message:
        "Drawing the cosines of {wildcards.experiment} for {wildcards.model} by {wildcards.column} ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_cosines.py"


ruleorder: draw_cosines > draw_figure


rule export_pair:
    input:
        plan.hidden_states.pair_sources,
    output:
        result=f"{EXPERIMENT}/pairs/{{pair}}.json",
        debug=f"{EXPERIMENT}/pairs/{{pair}}_debug.json",
    log:
        f"{LOGS}/export_pair-{{pair}}.log",
    benchmark:
        f"{BENCHMARKS}/export_pair-{{pair}}.tsv"
    wildcard_constraints:
        pair=r"[A-Za-z0-9_.-]+_vs_[A-Za-z0-9_.-]+?",
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        code=plan.code_hash("export_pair"),
    message:
        "Writing {wildcards.pair} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/export_pair.py"


rule verify_pairs:
    input:
        results=plan.hidden_states.pairs(".json"),
        debugs=plan.hidden_states.pairs("_debug.json"),
    output:
        f"{EXPERIMENT}/pairs/verification.csv",
    log:
        f"{LOGS}/verify_pairs.log",
    benchmark:
        f"{BENCHMARKS}/verify_pairs.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("verify_pairs"),
    message:
        "Recomputing the metrics of {wildcards.experiment} of {wildcards.model} from its debug files ({wildcards.tier})"
    script:
        "../workflow/scripts/verify_pairs.py"


rule verify:
    input:
        plan.hidden_states.verifications(),
    localrule: True
