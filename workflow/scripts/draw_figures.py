"""Draws figures of one experiment."""

from pathlib import Path

from contextrot.figures.drawing import draw_figures
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    names, folder = snakemake.wildcards, Path(snakemake.input.scores).parent
    draw_figures(Project(snakemake.config), names.model, names.experiment, folder, snakemake.output)
