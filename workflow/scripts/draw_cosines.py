"""Draws the layer cosines of one experiment against one of its columns."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.tasks.context_switching.layer_figures import draw_cosines

with reporting_errors(snakemake.log[0]):
    names, folder = snakemake.wildcards, Path(snakemake.input.cosines).parent
    where = (names.model, names.experiment, names.kind, names.column)
    draw_cosines(Project(snakemake.config), *where, folder, snakemake.output[0])
