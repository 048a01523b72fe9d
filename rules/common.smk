# Validates the config first, then derives wildcard constraints and what the rules look up.

import re
import shlex
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from contextrot.plan.code_hash import code_hash
from contextrot.plan.config_files import check_config_files
from contextrot.errors import ContextRotError
from contextrot.lifeline import begin_run
from contextrot.project import Project

begin_run(submitted=workflow.remote_exec)

try:
    check_config_files(workflow.configfiles)
    project = Project(config)
except ContextRotError as error:
    raise WorkflowError(str(error))


container: "envs/contextrot.sif"


# What the command line says of the bucket reaches the jobs' scripts, and is written nowhere.
os.environ.update(workflow.spawned_job_args_factory.get_storage_provider_envvars())


# A plan asks the same for every shard of an experiment, hence the caches.
code_hash = cache(code_hash)


EXPERIMENT = "results/{tier}/{model}/{experiment}"


def folder_of(**names):
    """The folder of some tiers, models or experiments alone. (A constraint in the path itself: in a bucket Snakemake prefers the
    workflow's constraint of a wildcard to the rule's.)"""
    constrained = [
        f"{{{name},{any_of(names[name])}}}" if name in names else f"{{{name}}}" for name in ("tier", "model", "experiment")
    ]
    return "results/{}/{}/{}".format(*constrained)


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


def here(paths):
    """Files of the workflow's own or of this machine, as inputs: they are not in the bucket that `--default-storage-provider` names.

    Where jobs share no folder they come with the code, as git tracks it; as an input they would keep the job on this machine.
    """
    if SharedFSUsage.INPUT_OUTPUT not in workflow.storage_settings.shared_fs_usage:
        return []
    return [local(str(path)) for path in paths]


@cache
def files_of_folder(name, *patterns):
    """Files of a local model or tokenizer folder, or the GGUF file itself; none for a Hugging Face id."""
    folder = Path(name)
    paths = [folder] if folder.is_file() else [path for pattern in patterns for path in folder.glob(pattern)]
    return here(sorted(paths))


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
