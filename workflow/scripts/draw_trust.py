"""Draws quality, seconds and USD over length, side by side."""

from contextrot.report.trust_figure import draw_trust
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    draw_trust(snakemake.input.lengths, snakemake.params.facts["note"], snakemake.output)
