# scores.parquet of several models, conditions or tiers -> comparison tables -> comparison figures;
# judgements/ of several judges -> agreement.csv, agreement.png.


wildcard_constraints:
    comparison=rf"(({any_of(project.settings.tiers)})/)?comparison/"
    rf"(conditions/({any_of(project.models)})/[A-Za-z0-9_]+|({any_of(project.experiments)}))",


rule compare:
    input:
        compared,
    output:
        table="results/{comparison}/table.csv",
        curves="results/{comparison}/curves.csv",
        differences="results/{comparison}/differences.csv",
    log:
        "logs/{comparison}/compare.log",
    benchmark:
        "benchmarks/runs/{comparison}/compare.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_hash("compare"),
        facts=lambda w: comparison_facts(project, w.comparison),
    message:
        "Comparing {wildcards.comparison}"
    script:
        "../workflow/scripts/compare.py"


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
        code=code_hash("draw_comparison"),
        length=lambda w: length_column(project, w.comparison),
        facts=lambda w: comparison_facts(project, w.comparison),
    message:
        "Drawing {wildcards.comparison}"
    script:
        "../workflow/scripts/draw_comparison.py"


rule agree_judges:
    input:
        judgements_of,
    output:
        table=f"{EXPERIMENT}/agreement.csv",
        figure=report(
            f"{EXPERIMENT}/agreement.png",
            caption="../workflow/report/table.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=labels_of("agreement of the judges"),
        ),
    log:
        f"{LOGS}/agree_judges.log",
    benchmark:
        f"{BENCHMARKS}/agree_judges.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_hash("agree_judges"),
        heading=heading,
        facts=facts_of({"agreement of the judges": "Verdicts of each two judges on the same answers, with Cohen's kappa."}),
    message:
        "Comparing the judges of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/agree_judges.py"
