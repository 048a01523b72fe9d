"""Writes the report of one tier."""

from contextrot.report import write_report
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    write_report(snakemake.params.snakefile, snakemake.params.config, list(snakemake.input), snakemake.output[0])
