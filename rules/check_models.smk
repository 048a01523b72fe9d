# nothing -> model_check.{json,md}: whether each selected model and judge answers, as whom, with which window, and what to set where not.
# `snakemake check_models` asks anew and fails if one cannot be used; `snakemake cost_estimate` of hosted models shows it beside the costs.


rule check_models:
    log:
        "logs/check_models.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    # params, not output: what was found out must outlive a check that fails
    params:
        json=f"results/{project.settings.tier}/model_check.json",
        md=f"results/{project.settings.tier}/model_check.md",
        strict=True,
    message:
        "Asking each model one tiny request"
    script:
        "../workflow/scripts/check_models.py"


rule check_models_of_tier:
    output:
        json="results/{tier}/model_check.json",
        md="results/{tier}/model_check.md",
    log:
        "logs/{tier}/check_models_of_tier.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    params:
        json=lambda wildcards, output: output.json,
        md=lambda wildcards, output: output.md,
        strict=False,
        models=plan.report.asked_models(),
    message:
        "Asking each model of tier {wildcards.tier} one tiny request"
    script:
        "../workflow/scripts/check_models.py"
