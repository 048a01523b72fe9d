"""Notes what ran in one tier, where and with which versions."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.provenance import run_metadata
from contextrot.project import Project
from contextrot.report.provenance import write_run_metadata

with reporting_errors(snakemake.log[0]):
    tier, outputs = snakemake.wildcards.tier, snakemake.output
    write_run_metadata(run_metadata(Project(snakemake.config), tier, snakemake.input), outputs.json, outputs.html)
