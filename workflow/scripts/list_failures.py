"""Lists the answers of one experiment that went wrong."""

from contextrot.failures import list_failures, write_failures_page
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    files = snakemake.input
    table = list_failures(files.samples, files.responses, files.get("judgements", []), files.scores)
    write_failures_page(table, files.scores, snakemake.params.facts, snakemake.output[0])
