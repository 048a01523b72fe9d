"""Plans how many samples what config asks for needs."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.sample_plan import write_sample_plan
from contextrot.project import Project

with reporting_errors(snakemake.log[0]):
    outputs = Path(snakemake.output.json), Path(snakemake.output.md)
    write_sample_plan(Project(snakemake.config), snakemake.wildcards.tier, *outputs)
