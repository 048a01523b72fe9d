"""Shows, verifies, packs, exports or prunes the request store."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.responses.store_keeping import keep_request_store

with reporting_errors(snakemake.log[0]):
    print(keep_request_store(**snakemake.params))
