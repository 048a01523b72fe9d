"""Writes the metrics of one experiment, and its answers that went wrong, as pages."""

from contextrot.report.tables import tabulate_results
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    files, output = snakemake.input, snakemake.output
    paths = files.samples, files.responses, files.get("judgements", []), files.scores, files.metrics
    tabulate_results(*paths, snakemake.params.facts, (output.metrics, output.failures))
