"""Looks at a local model's layers at the end of every prompt of one experiment."""

from contextrot.hidden_states.extract import extract_cosines
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    project, names, files = Project(snakemake.config), snakemake.wildcards, snakemake.input
    task, model, inputs = project.task(**names), project.models[names.model], (files.samples, files.get("responses"))
    options = project.settings.hidden_states
    extract_cosines(task, names.model, model, options, inputs, snakemake.output, snakemake.threads)
