# samples.parquet (and responses.parquet where the task needs the zero-shot answers), a local model's weights
#   -> cosines.parquet, likelihoods.parquet, extraction.json; any experiment's by its path.
# cosines.parquet -> figures/cosine_{heatmap,lines}_by_{column}.png, such as niah's cosine_lines_by_length.
# scores.parquet, cosines.parquet -> pairs/{target}_vs_{distractor}.json, ..._debug.json -> pairs/verification.csv; target `verify`.


rule extract_cosines:
    input:
        unpack(state_sources),
        samples=f"{EXPERIMENT}/samples.parquet",
        weights=weights_of,
    output:
        cosines=f"{EXPERIMENT}/cosines.parquet",
        likelihoods=f"{EXPERIMENT}/likelihoods.parquet",
        record=f"{EXPERIMENT}/extraction.json",
    log:
        f"{LOGS}/extract_cosines.log",
    benchmark:
        f"{BENCHMARKS}/extract_cosines.tsv"
    # on a GPU after all answers of the model, for its server has to leave
    priority: lambda wildcards: turn(wildcards.model, after=0.75) if model_of(wildcards).gpu else 1
    conda:
        "../envs/contextrot.yaml"
    threads: lambda wildcards: engine_threads(model_of(wildcards))
    resources:
        gpu=lambda wildcards: model_of(wildcards).gpu,
        mem_mb=growing(8000),
        runtime=240,
    params:
        code=state_code,
        options=state_options,
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
        code=code_hash("draw_cosines"),
        facts=facts_of({}),
    message:
        "Drawing the cosines of {wildcards.experiment} for {wildcards.model} by {wildcards.column} ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_cosines.py"


ruleorder: draw_cosines > draw_figure


rule export_pair:
    input:
        pair_sources,
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
        code=code_hash("export_pair"),
    message:
        "Writing {wildcards.pair} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/export_pair.py"


rule verify_pairs:
    input:
        results=pairs_of(".json"),
        debugs=pairs_of("_debug.json"),
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
        code=code_hash("verify_pairs"),
    message:
        "Recomputing the metrics of {wildcards.experiment} of {wildcards.model} from its debug files ({wildcards.tier})"
    script:
        "../workflow/scripts/verify_pairs.py"


rule verify:
    input:
        [
            f"results/{project.settings.tier}/{model}/{experiment}/pairs/verification.csv"
            for model, experiment in selection()
            if project.experiments[experiment].task == "context_switching"
        ],
    localrule: True
