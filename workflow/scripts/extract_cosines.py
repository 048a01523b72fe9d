"""Looks at a local model's layers at the end of every prompt of one experiment."""

from contextrot.hidden_states.extract import extract_cosines
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    names, files = snakemake.wildcards, snakemake.input
    inputs = (files.samples, files.get("responses"))
    extract_cosines(Project(snakemake.config), **names, inputs=inputs, outputs=snakemake.output, threads=snakemake.threads)
