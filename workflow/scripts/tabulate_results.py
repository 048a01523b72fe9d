"""Writes the metrics of one experiment, and its answers that went wrong, as pages."""

from contextrot.report.failures import list_failures, write_failures_page
from contextrot.report.summary import write_metrics_page
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    files, facts, output = snakemake.input, snakemake.params.facts, snakemake.output
    write_metrics_page(files.metrics, facts, output.metrics)
    failures = list_failures(files.samples, files.responses, files.get("judgements", []), files.scores)
    write_failures_page(failures, files.scores, facts, output.failures)
