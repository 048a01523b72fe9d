"""Prints the size of the request store and how to clear it."""

from contextrot.cache import describe_store
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    print(describe_store(snakemake.params.folder))
