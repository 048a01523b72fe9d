"""Measures one mode of one serving experiment."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.provenance import measurement_metadata
from contextrot.project import Project
from contextrot.serving.measure import measure_mode

with reporting_errors(snakemake.log[0]):
    files, project, names = snakemake.input, Project(snakemake.config), snakemake.wildcards
    paths = (Path(files.samples), Path(files.parity) if files.get("parity") else None, Path(snakemake.output[0]).parent)
    place = names.tier, names.model, names.experiment
    about, task = measurement_metadata(project, *place), project.task(*place)
    measure_mode(task, project.models[names.model], names.mode, about, paths, Path(snakemake.log[0]).with_suffix(".engine.log"))
