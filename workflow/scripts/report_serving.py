"""Writes the Markdown report of one serving experiment."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.serving.compare import report_serving

with reporting_errors(snakemake.log[0]):
    project, names, output = Project(snakemake.config), snakemake.wildcards, Path(snakemake.output[0])
    report_serving(output.parent, (project.title(names.model), project.title(names.experiment)), output)
