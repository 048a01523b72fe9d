"""Puts the responses of all shards into one file, and sums what they used."""

from contextrot.reporting import reporting_errors
from contextrot.shards import gather_responses
from contextrot.usage import write_dashboard

with reporting_errors(snakemake.log[0]):
    gather_responses(snakemake.input.samples, snakemake.input.shards, snakemake.output.responses)
    write_dashboard(snakemake.output.responses, len(snakemake.input.shards))
