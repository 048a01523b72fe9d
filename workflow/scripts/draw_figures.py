"""Draws figures of one experiment."""

from contextrot import tasks
from contextrot.figures.drawing import draw_figures
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    draw_figures(tasks.drawing(params.task), files.scores, files.metrics, snakemake.output, params.titles)
