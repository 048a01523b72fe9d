# metrics, scores, samples, responses, judgements/ of a tier -> trust.csv, trust_limits.csv, trust.{png,svg,pdf}, index.html

from contextrot.plan.shown import judgement_paths, notes_in_short, shown_members
from contextrot.report.summary import note_of

NOTES = {model: note_of(project, model) for model in project.selected_models}
SHOWN_MEMBERS = shown_members(project)


rule write_trust:
    input:
        of_tier(f"{EXPERIMENT}/metrics.csv"),
        of_tier(f"{EXPERIMENT}/scores.parquet"),
    output:
        lengths="results/{tier}/trust.csv",
        limits="results/{tier}/trust_limits.csv",
    log:
        "logs/{tier}/write_trust.log",
    benchmark:
        "benchmarks/runs/{tier}/write_trust.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=code_hash("write_trust", *SHOWN_MEMBERS),
        limits=project.settings.trust.model_dump_json(),
    message:
        "Finding how long a context can be trusted ({wildcards.tier})"
    script:
        "../workflow/scripts/write_trust.py"


rule draw_trust:
    input:
        lengths="results/{tier}/trust.csv",
    output:
        report(
            "results/{tier}/trust.{format}",
            caption="../workflow/report/trust.rst",
            category="Summary",
            labels={"result": "quality, time and price over length"},
        ),
    log:
        "logs/{tier}/draw_trust-{format}.log",
    benchmark:
        "benchmarks/runs/{tier}/draw_trust-{format}.tsv"
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        code=code_hash("draw_trust"),
        facts={"note": notes_in_short(project, NOTES)},
    message:
        "Drawing quality, time and price over length ({wildcards.tier})"
    script:
        "../workflow/scripts/draw_trust.py"


rule write_page:
    input:
        of_tier(f"{EXPERIMENT}/metrics.csv"),
        of_tier(f"{EXPERIMENT}/scores.parquet"),
        of_tier(f"{EXPERIMENT}/samples.parquet"),
        of_tier(f"{EXPERIMENT}/responses.parquet"),
        lambda w: judgement_paths(project, w.tier),
        here(ROOT / f"workflow/report/page.{ending}" for ending in ("html.jinja2", "css", "js")),
    output:
        "results/{tier}/index.html",
    log:
        "logs/{tier}/write_page.log",
    benchmark:
        "benchmarks/runs/{tier}/write_page.tsv"
    conda:
        "../envs/contextrot.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        code=code_hash("write_page", *SHOWN_MEMBERS),
        limits=project.settings.trust.model_dump_json(),
    message:
        "Writing the page of tier {wildcards.tier}"
    script:
        "../workflow/scripts/write_page.py"
