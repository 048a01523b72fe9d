"""Writes the end of a search for an effective length."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.effective_length import write_effective_length
from contextrot.project import Project

with reporting_errors(snakemake.log[0]):
    choices = [Path(path) for path in snakemake.input]
    outputs = Path(snakemake.output.json), Path(snakemake.output.md)
    write_effective_length(
        Project(snakemake.config), **snakemake.wildcards, choices=choices, json_path=outputs[0], md_path=outputs[1]
    )
