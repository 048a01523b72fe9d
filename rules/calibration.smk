# judgements/, labels of people -> labels/answers.{csv,html} to fill in, calibration.{csv,png}: how far each judge can be believed.
# `snakemake label --config experiments=niah` writes the answers to label.


rule label:
    input:
        plan.judging.label_sheets,
    log:
        "logs/label.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "Answers to label: {input}"
    shell:
        "echo {input:q} > {log:q}"


rule write_label_sheet:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=plan.judging.first_judgements,
    output:
        sheet=f"{EXPERIMENT}/labels/answers.csv",
        page=f"{EXPERIMENT}/labels/answers.html",
    log:
        f"{LOGS}/write_label_sheet.log",
    benchmark:
        f"{BENCHMARKS}/write_label_sheet.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("write_label_sheet"),
        titles=captions.titles,
        answers=project.settings.label_answers,
        seed=project.settings.seed,
    message:
        "Drawing answers of {wildcards.experiment} of {wildcards.model} to label ({wildcards.tier})"
    script:
        "../workflow/scripts/write_label_sheet.py"


rule write_calibration:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=plan.judging.judgements,
    output:
        table=f"{EXPERIMENT}/calibration.csv",
        figure=report(
            f"{EXPERIMENT}/calibration.png",
            caption="../workflow/report/table.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=captions.labels("calibration of the judges"),
        ),
    log:
        f"{LOGS}/write_calibration.log",
    benchmark:
        f"{BENCHMARKS}/write_calibration.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=plan.code_hash("write_calibration"),
        titles=captions.titles,
        facts=captions.tables(
            {
                "calibration of the judges": "The score as the judge gives it, and corrected for the errors that people's labels show."
            }
        ),
    message:
        "Calibrating the judges of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/write_calibration.py"
