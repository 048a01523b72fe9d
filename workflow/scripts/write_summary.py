"""Summarizes one tier."""

from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.report.summary import write_summary
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    project, output = Project(snakemake.config), dict(snakemake.output.items())
    write_summary(runs_of(project, snakemake.wildcards.tier), project.settings.seed, snakemake.input, **output)
