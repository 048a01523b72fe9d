"""Summarizes one tier."""

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.summary import write_summary

with reporting_errors(snakemake.log[0]):
    write_summary(Project(snakemake.config), snakemake.wildcards.tier, snakemake.input, **dict(snakemake.output.items()))
