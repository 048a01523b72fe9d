"""Tabulates and draws how far the judges of one experiment agree."""

from contextrot.judging.agreement import write_agreement
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    output, (model, experiment, note) = snakemake.output, snakemake.params.titles
    write_agreement(list(snakemake.input), output.table, output.figure, (model, experiment), note)
