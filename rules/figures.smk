# scores.parquet, metrics.csv -> figures/{figure}.png (or .svg, .pdf); each also by a short target such as niah_heatmap.
# One job draws all that a run wants of an experiment. Another format, and what was not selected, has a job of its own.


for experiment, figures in plan.figures.drawn_together().items():
    drawing = plan.figures.rule_name("draw_figures_of", experiment)
    folder = plan.figures.folder(experiment)
    workflow.ruleorder(drawing, "draw_figure")

    rule:
        name:
            drawing
        input:
            scores=f"{EXPERIMENT}/scores.parquet",
            metrics=f"{EXPERIMENT}/metrics.csv",
            extra=plan.figures.sources(figures),
        output:
            [
                report(
                    f"{folder}/figures/{figure}.png",
                    caption="../workflow/report/figure.rst",
                    category="{model}",
                    subcategory="{experiment}",
                    labels=captions.labels(figure),
                )
                for figure in figures
            ],
        log:
            f"{LOGS}/draw_figures.log",
        benchmark:
            f"{BENCHMARKS}/draw_figures.tsv"
        priority: 1
        # on a cluster with the other light steps of the experiment; a profile can name rules, but not those of experiments to come
        group:
            "summary"
        conda:
            "../envs/contextrot.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=30,
        params:
            code=plan.figures.code,
            task=plan.figures.task_name,
            titles=captions.titles,
            facts=captions.figures(figures),
        message:
            "Drawing {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
        script:
            "../workflow/scripts/draw_figures.py"


rule draw_figure:
    input:
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
        extra=plan.figures.sources_of_one,
    output:
        report(
            f"{EXPERIMENT}/figures/{{figure}}.{{format}}",
            caption="../workflow/report/figure.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=captions.labels("{figure}"),
        ),
    log:
        f"{LOGS}/draw_figures-{{figure}}-{{format}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_figures-{{figure}}-{{format}}.tsv"
    priority: 1
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.figures.code,
        task=plan.figures.task_name,
        titles=captions.titles,
        facts=captions.figure,
    message:
        "Drawing {wildcards.figure} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_figures.py"


for target, files in plan.figures.short_targets():

    rule:
        name:
            target
        input:
            files,
        localrule: True
