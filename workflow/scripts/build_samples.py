"""Builds the samples of one tier, model and experiment."""

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.samples.build import build_samples

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    task, model = project.task(**names), project.models[names.model]
    build_samples(task, model, project.data, project.settings.seed, snakemake.output[0])
