"""Compares models, conditions or tiers by their scores."""

from pathlib import Path

from contextrot.comparison import write_comparison
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    names, folder = snakemake.wildcards, Path(snakemake.output.table).parent
    write_comparison(Project(snakemake.config), names.comparison, snakemake.input, folder)
