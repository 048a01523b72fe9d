"""Draws quality, seconds and USD over length, side by side."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.report.trust_figure import draw_trust

with reporting_errors(snakemake.log[0]):
    draw_trust(snakemake.input.lengths, snakemake.params.facts["note"], snakemake.output)
