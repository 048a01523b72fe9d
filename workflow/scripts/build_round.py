"""Builds the samples that a choice asks for."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.effective_length import build_round
from contextrot.project import Project

with reporting_errors(snakemake.log[0]):
    names, files = snakemake.wildcards, snakemake.input
    place = names.tier, names.model, names.experiment
    build_round(Project(snakemake.config), *place, Path(files.choice), files.get("earlier", []), Path(snakemake.output[0]))
