# scores, metrics, responses -> tables, summary.{csv,md,html}, run_metadata.json, inspect logs, report.html


report: "../workflow/report/workflow.rst"


rule tabulate_results:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=plan.judging.judgements,
        scores=f"{EXPERIMENT}/scores.parquet",
        metrics=f"{EXPERIMENT}/metrics.csv",
    output:
        metrics=report(
            f"{EXPERIMENT}/metrics.html",
            caption="../workflow/report/table.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=captions.labels("table of metrics"),
        ),
        failures=report(
            f"{EXPERIMENT}/failures.html",
            caption="../workflow/report/table.rst",
            category="{model}",
            subcategory="{experiment}",
            labels=captions.labels("table of failures"),
        ),
    log:
        f"{LOGS}/tabulate_results.log",
    benchmark:
        f"{BENCHMARKS}/tabulate_results.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.code_hash("tabulate_results"),
        titles=captions.titles,
        facts=captions.tables(
            {
                "table of metrics": "The numbers behind the figures: each measure over each grouping of the conditions.",
                "table of failures": "Answers that are not simply right, with what was asked, expected and answered.",
            }
        ),
    message:
        "Tabulating the metrics and failures of {wildcards.experiment} of {wildcards.model} ({wildcards.tier})"
    script:
        "../workflow/scripts/tabulate_results.py"


rule export_inspect_log:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        judgements=plan.judging.judgements,
        scores=f"{EXPERIMENT}/scores.parquet",
    output:
        f"{EXPERIMENT}/inspect.eval",
    log:
        f"{LOGS}/export_inspect_log.log",
    benchmark:
        f"{BENCHMARKS}/export_inspect_log.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        engine=plan.report.engine,
        code=plan.code_hash("export_inspect_log"),
    message:
        "Exporting {wildcards.experiment} of {wildcards.model} for inspect view ({wildcards.tier})"
    script:
        "../workflow/scripts/export_inspect_log.py"


rule inspect_logs:
    input:
        plan.report.of_selection("inspect.eval"),
    localrule: True


rule export_data_set:
    input:
        samples=f"{EXPERIMENT}/samples.parquet",
        responses=f"{EXPERIMENT}/responses.parquet",
        scores=f"{EXPERIMENT}/scores.parquet",
    output:
        card=f"{EXPERIMENT}/export/README.md",
        answers=f"{EXPERIMENT}/export/answers.parquet",
        croissant=f"{EXPERIMENT}/export/croissant.json",
        lm_eval=f"{EXPERIMENT}/export/samples_lm_eval.jsonl",
    log:
        f"{LOGS}/export_data_set.log",
    benchmark:
        f"{BENCHMARKS}/export_data_set.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        code=plan.code_hash("export_data_set"),
        titles=captions.titles,
    message:
        "Exporting {wildcards.experiment} of {wildcards.model} as a data set ({wildcards.tier})"
    script:
        "../workflow/scripts/export_data_set.py"


rule data_sets:
    input:
        plan.report.of_selection("export/README.md"),
    localrule: True


rule track:
    input:
        plan.report.of_selection("metrics.csv"),
    log:
        "logs/track.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "Sending all numbers to the experiment tracker"
    script:
        "../workflow/scripts/track.py"


rule write_run_metadata:
    input:
        plan.report.of_tier("metrics.csv"),
        plan.report.of_tier("samples.parquet"),
        plan.report.of_tier("responses.parquet"),
    output:
        json="results/{tier}/run_metadata.json",
        html=report(
            "results/{tier}/run_metadata.html",
            caption="../workflow/report/metadata.rst",
            category="Summary",
            labels={"result": "run metadata"},
        ),
    log:
        "logs/{tier}/write_run_metadata.log",
    benchmark:
        "benchmarks/runs/{tier}/write_run_metadata.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.code_hash("write_run_metadata"),
    message:
        "Noting what ran, where and with which versions ({wildcards.tier})"
    script:
        "../workflow/scripts/write_run_metadata.py"


rule write_summary:
    input:
        plan.report.of_tier("metrics.csv"),
        plan.report.of_tier("scores.parquet"),
        plan.report.of_tier("samples.parquet"),
        plan.report.of_tier("responses.parquet"),
        plan.report.of_tier("token_summary.json"),
    output:
        csv="results/{tier}/summary.csv",
        markdown="results/{tier}/summary.md",
        html=report(
            "results/{tier}/summary.html",
            caption="../workflow/report/summary.rst",
            category="Summary",
            labels={"result": "summary of the tier"},
        ),
    log:
        "logs/{tier}/write_summary.log",
    benchmark:
        "benchmarks/runs/{tier}/write_summary.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=plan.code_hash("write_summary"),
        titles=plan.report.titles,
        estimates=plan.report.made_estimate,
    message:
        "Summarizing tier {wildcards.tier}"
    script:
        "../workflow/scripts/write_summary.py"


rule write_report:
    input:
        plan.report.shown,
    output:
        "results/{tier}/report.html",
    log:
        "logs/{tier}/write_report.log",
    benchmark:
        "benchmarks/runs/{tier}/write_report.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        snakefile=str(workflow.main_snakefile),
        config=plan.report.config,
        targets=plan.report.shown,
        storage=plan.report.bucket,
    message:
        "Writing the report of tier {wildcards.tier}"
    script:
        "../workflow/scripts/write_report.py"
