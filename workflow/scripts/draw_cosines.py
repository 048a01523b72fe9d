"""Draws the layer cosines of one experiment against one of its columns."""

from contextrot.figures.layers import draw_cosines
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    names = snakemake.wildcards
    draw_cosines(snakemake.input.cosines, snakemake.output[0], names.kind, names.column, snakemake.params.titles)
