"""Writes the report of one tier."""

from contextrot.report.report import write_report
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    given = snakemake.params
    write_report(given.snakefile, given.config, given.targets, snakemake.output[0], given.storage)
