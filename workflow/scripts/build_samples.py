"""Builds the samples of one tier, model and experiment."""

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.samples.build import build_samples

with reporting_errors(snakemake.log[0]):
    build_samples(Project(snakemake.config), **snakemake.wildcards, output=snakemake.output[0])
