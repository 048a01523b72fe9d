"""Writes the metrics of one experiment as a page."""

from contextrot.reporting import reporting_errors
from contextrot.summary import write_metrics_page

with reporting_errors(snakemake.log[0]):
    write_metrics_page(snakemake.input.metrics, snakemake.params.facts, snakemake.output[0])
