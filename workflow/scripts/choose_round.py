"""Fits the rounds so far and chooses what the next one asks, or stops."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.effective_length import choose_round
from contextrot.project import Project

with reporting_errors(snakemake.log[0]):
    names, scores = snakemake.wildcards, list(map(Path, snakemake.input))
    place = names.tier, names.model, names.experiment
    choose_round(Project(snakemake.config), *place, int(names.round), scores, Path(snakemake.output[0]))
