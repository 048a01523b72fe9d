"""Estimates what the tier will cost."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.responses.cost import estimate_cost

with reporting_errors(snakemake.log[0]):
    outputs = Path(snakemake.output.json), Path(snakemake.output.md)
    estimate_cost(Project(snakemake.config), snakemake.wildcards.tier, snakemake.input, *outputs)
