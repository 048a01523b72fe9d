"""Draws the figures of a comparison."""

from pathlib import Path

from contextrot.figures.comparison import draw_comparison
from contextrot.jobs.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    folder, params = Path(snakemake.input.table).parent, snakemake.params
    draw_comparison(folder, params.length, params.facts["title"], snakemake.output)
