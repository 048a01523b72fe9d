# scores.parquet, metrics.csv -> figures/{figure}.png (or .svg, .pdf); each also by a short target such as niah_heatmap.


rule draw_figure:
    input:
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
        extra=figure_sources,
    output:
        report(
            f"{EXPERIMENT}/figures/{{figure}}.{{format}}",
            caption="../workflow/report/figure.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=labels_of("{figure}"),
        ),
    log:
        f"{LOGS}/draw_figure-{{figure}}-{{format}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_figure-{{figure}}-{{format}}.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=figure_code,
        facts=lambda w: figure_facts(project, w.tier, w.model, w.experiment, w.figure),
    message:
        "Drawing {wildcards.figure} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_figure.py"


for experiment in project.experiments:
    for figure in project.task_class(experiment).figures:

        rule:
            name:
                re.sub(r"\W", "_", f"{experiment}_{figure}")
            input:
                [
                    f"results/{project.settings.tier}/{model}/{experiment}/figures/{figure}.png"
                    for model in project.selected_models
                    if figure in project.figures_of(model, experiment)
                ],
            localrule: True
