"""Asks one model the samples of one shard."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.responses.collect import collect_responses

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    task, model = project.task(names.tier, names.model, names.experiment), project.models[names.model]
    paths = Path(snakemake.input.samples), Path(snakemake.output[0])
    place = {"shard": int(names.shard), "shards": int(names.shards), "log": Path(snakemake.log[0]), "data": project.data}
    about = {"model_name": names.model, "model": model, "settings": project.settings, "experiment": names.experiment}
    collect_responses(*paths, task=task, **about, **place)
