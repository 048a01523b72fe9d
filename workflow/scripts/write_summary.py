"""Summarizes one tier."""

from contextrot.project import Project
from contextrot.report.summary import write_summary
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    write_summary(Project(snakemake.config), snakemake.wildcards.tier, snakemake.input, **dict(snakemake.output.items()))
