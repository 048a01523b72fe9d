"""Estimates what the tier will cost."""

from pathlib import Path

from contextrot.plan.cost_estimate import estimate_cost
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    outputs = Path(snakemake.output.json), Path(snakemake.output.md)
    estimate_cost(Project(snakemake.config), snakemake.wildcards.tier, snakemake.input, *outputs)
