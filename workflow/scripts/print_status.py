"""Prints how far the run is."""

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.status import status_table

with reporting_errors(snakemake.log[0]):
    print(status_table(Project(snakemake.config)))
