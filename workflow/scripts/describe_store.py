"""Prints the size of the request store and how to clear it."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.responses.store import describe_store

with reporting_errors(snakemake.log[0]):
    print(describe_store(snakemake.params.folder))
