"""Asks each selected model and judge one tiny request."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.responses.check_models import check_models

with reporting_errors(snakemake.log[0]):
    paths = Path(snakemake.params.json), Path(snakemake.params.md)
    check_models(Project(snakemake.config).models_asked, *paths, strict=snakemake.params.strict)
