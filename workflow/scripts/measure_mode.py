"""Measures one mode of one serving experiment."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.serving.measure import measure_mode

with reporting_errors(snakemake.log[0]):
    files, log = snakemake.input, Path(snakemake.log[0]).with_suffix(".engine.log")
    paths = (Path(files.samples), Path(files.parity) if files.get("parity") else None, Path(snakemake.output[0]).parent)
    measure_mode(Project(snakemake.config), **snakemake.wildcards, paths=paths, log_path=log)
