"""Recomputes the metrics of all pairs of one experiment from their debug files."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.tasks.context_switching.pairs import verify_pairs

with reporting_errors(snakemake.log[0]):
    verify_pairs(snakemake.input.results, snakemake.input.debugs, snakemake.output[0])
