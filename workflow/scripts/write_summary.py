"""Summarizes one tier."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.report.summary import write_summary

with reporting_errors(snakemake.log[0]):
    project, output = Project(snakemake.config), dict(snakemake.output.items())
    runs = runs_of(project, snakemake.wildcards.tier)
    write_summary(runs, project.settings.seed, snakemake.input, **output, estimates=snakemake.params.estimates)
