# scores.parquet of several models, conditions or tiers -> comparison tables -> comparison figures;
# judgements/ of several judges -> agreement.csv, agreement.png.

from contextrot.figures.comparison import COMPARISON_FIGURES


wildcard_constraints:
    comparison=plan.comparisons.constraint,


rule write_comparison:
    input:
        plan.comparisons.sources,
    output:
        table="results/{comparison}/table.csv",
        curves="results/{comparison}/curves.csv",
        differences="results/{comparison}/differences.csv",
    log:
        "logs/{comparison}/write_comparison.log",
    benchmark:
        "benchmarks/runs/{comparison}/write_comparison.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("write_comparison"),
        entries=plan.comparisons.entries,
        length=plan.comparisons.length,
        pair_columns=plan.comparisons.pair_columns,
        seed=project.settings.seed,
    message:
        "Comparing {wildcards.comparison}"
    script:
        "../workflow/scripts/write_comparison.py"


rule draw_comparison:
    input:
        table="results/{comparison}/table.csv",
        curves="results/{comparison}/curves.csv",
        differences="results/{comparison}/differences.csv",
    output:
        [
            report(
                f"results/{{comparison}}/{figure}.{{format}}",
                caption="../workflow/report/comparison.rst",
                category="Comparison",
                subcategory="{comparison}",
                labels={"result": figure},
            )
            for figure in COMPARISON_FIGURES
        ],
    log:
        "logs/{comparison}/draw_comparison-{format}.log",
    benchmark:
        "benchmarks/runs/{comparison}/draw_comparison-{format}.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("draw_comparison"),
        length=plan.comparisons.length,
        facts=plan.comparisons.facts,
    message:
        "Drawing {wildcards.comparison}"
    script:
        "../workflow/scripts/draw_comparison.py"


rule write_agreement:
    input:
        plan.judging.judgements,
    output:
        table=f"{EXPERIMENT}/agreement.csv",
        figure=report(
            f"{EXPERIMENT}/agreement.png",
            caption="../workflow/report/table.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=captions.labels("agreement of the judges"),
        ),
    log:
        f"{LOGS}/write_agreement.log",
    benchmark:
        f"{BENCHMARKS}/write_agreement.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("write_agreement"),
        titles=captions.titles,
        facts=captions.tables({"agreement of the judges": "Verdicts of each two judges on the same answers, with Cohen's kappa."}),
    message:
        "Comparing the judges of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/write_agreement.py"


rule leaderboard:
    log:
        "logs/leaderboard.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    # params, not output: which runs there are, and whether others' have changed, is looked up whenever it is asked for
    params:
        folders=project.settings.leaderboard,
        seed=project.settings.seed,
        table="results/leaderboard.csv",
        differences="results/leaderboard_differences.csv",
        page="results/leaderboard.html",
    message:
        "Ranking all runs: {params.page}"
    script:
        "../workflow/scripts/write_leaderboard.py"
