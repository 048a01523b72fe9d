"""Compares models, conditions or tiers by their scores."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.scores.comparison import write_comparison

with reporting_errors(snakemake.log[0]):
    names, folder = snakemake.wildcards, Path(snakemake.output.table).parent
    write_comparison(Project(snakemake.config), names.comparison, snakemake.input, folder)
