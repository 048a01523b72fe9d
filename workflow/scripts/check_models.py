"""Asks each selected model and judge one tiny request."""

from pathlib import Path

from contextrot.check_models import check_models
from contextrot.reporting import reporting_errors
from contextrot.settings import Project

with reporting_errors(snakemake.log[0]):
    paths = Path(snakemake.params.json), Path(snakemake.params.md)
    check_models(Project(snakemake.config), *paths, strict=snakemake.params.strict)
