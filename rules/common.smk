# Validates the config first, then derives wildcard constraints and what the rules look up.

import re
from functools import cache

from snakemake.exceptions import WorkflowError

from contextrot.config_files import check_config_files
from contextrot.errors import ContextRotError
from contextrot.provenance import code_hash
from contextrot.settings import Project

try:
    check_config_files(workflow.configfiles)
    project = Project(config)
except ContextRotError as error:
    raise WorkflowError(str(error))


container: "envs/contextrot.sif"


# A plan asks the same for every shard of an experiment, hence the caches.
code_hash = cache(code_hash)


EXPERIMENT = "results/{tier}/{model}/{experiment}"
LOGS = "logs/{tier}/{model}/{experiment}"
BENCHMARKS = "benchmarks/runs/{tier}/{model}/{experiment}"


def any_of(names):
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


wildcard_constraints:
    tier=any_of(project.settings.tiers),
    model=any_of(project.models),
    experiment=any_of(project.experiments),
    judge=any_of(project.settings.judges),
    figure=r"[A-Za-z0-9_]+",
    format="png|svg|pdf",
    shard=r"\d+",
    shards=r"\d+",


def model_of(wildcards):
    return project.models[wildcards.model]


@cache
def task_with_parameters(tier, model, experiment):
    try:
        return project.task(tier, model, experiment)
    except ContextRotError as error:
        raise WorkflowError(str(error))


def task_of(wildcards):
    """The task with its parameters; a wrong parameter of a model that was not selected is reported when it is asked for."""
    return task_with_parameters(wildcards.tier, wildcards.model, wildcards.experiment)


def growing(megabytes):
    """Memory that grows with each attempt, so that a job that ran out of it gets more."""
    return lambda wildcards, attempt: megabytes * attempt


@cache
def files_of_folder(name, *patterns):
    """Files of a local model or tokenizer folder; none for a Hugging Face id."""
    folder = Path(name)
    return sorted(str(path) for pattern in patterns for path in folder.glob(pattern)) if folder.is_dir() else []


def selection():
    """Every selected (model, experiment) of the tier."""
    return [(model, experiment) for model in project.selected_models for experiment in project.selected_experiments]


def metrics_of_selection():
    tier = project.settings.tier
    return [f"results/{tier}/{model}/{experiment}/metrics.csv" for model, experiment in selection()]


def figures_of_selection():
    tier = project.settings.tier
    return [
        f"results/{tier}/{model}/{experiment}/figures/{figure}.png"
        for model, experiment in selection()
        for figure in project.figures_of(model, experiment)
    ]
