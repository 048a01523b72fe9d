"""Writes the report of one tier."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.report.report import write_report

with reporting_errors(snakemake.log[0]):
    given = snakemake.params
    write_report(given.snakefile, given.config, given.targets, snakemake.output[0], given.storage)
