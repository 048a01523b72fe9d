"""Puts the responses of all shards into one file, audits the prompts' lengths, and sums what was used."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.project import Project
from contextrot.responses.input_cut import counts_exactly, tell_audit
from contextrot.responses.shards import gather_responses
from contextrot.responses.usage import write_dashboard

with reporting_errors(snakemake.log[0]):
    names, files = snakemake.wildcards, snakemake.input
    model = Project(snakemake.config).models[names.model]
    audit = gather_responses(files.samples, files.shards, snakemake.output.responses, counts_exactly(model))
    write_dashboard(snakemake.output.responses, len(files.shards), names.model)
    tell_audit(f"{names.model} {names.experiment}", audit, model.base_url)
