"""Asks each selected model and judge one tiny request."""

from pathlib import Path

from contextrot.check_models import check_models
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    paths = Path(snakemake.params.json), Path(snakemake.params.md)
    check_models(Project(snakemake.config), *paths, strict=snakemake.params.strict)
