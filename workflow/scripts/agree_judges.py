"""Tabulates and draws how far the judges of one experiment agree."""

from contextrot.judging.agreement import write_agreement
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    write_agreement(list(snakemake.input), snakemake.output.table, snakemake.output.figure, snakemake.params.facts)
