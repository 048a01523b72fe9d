# scores.parquet, metrics.csv -> figures/{figure}.png (or .svg, .pdf); each also by a short target such as niah_heatmap.
# One job draws all that a run wants of an experiment. Another format, and what was not selected, has a job of its own.


for experiment, figures in figures_drawn_together().items():
    drawing = re.sub(r"\W", "_", f"draw_figures_of_{experiment}")
    folder = folder_of(tier=[project.settings.tier], model=project.selected_models, experiment=[experiment])
    workflow.ruleorder(drawing, "draw_figure")

    rule:
        name:
            drawing
        input:
            scores=f"{EXPERIMENT}/scores.parquet",
            metrics=f"{EXPERIMENT}/metrics.csv",
            extra=figure_sources(experiment, figures),
        output:
            [
                report(
                    f"{folder}/figures/{figure}.png",
                    caption="../workflow/report/figure.rst",
                    category="{model}",
                    subcategory="{experiment}",
                    labels=labels_of(figure),
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
            code=figure_code,
            heading=heading,
            facts=figure_facts_of(figures),
        message:
            "Drawing {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
        script:
            "../workflow/scripts/draw_figures.py"


rule draw_figure:
    input:
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
        extra=lambda w: figure_sources(w.experiment, [w.figure]),
    output:
        report(
            f"{EXPERIMENT}/figures/{{figure}}.{{format}}",
            caption="../workflow/report/figure.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=labels_of("{figure}"),
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
        code=figure_code,
        heading=heading,
        facts=lambda w: figure_facts(project, w.tier, w.model, w.experiment, [w.figure]),
    message:
        "Drawing {wildcards.figure} of {wildcards.experiment} for {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_figures.py"


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
