"""Prints how far the run is."""

from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.report.status import status_table
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    print(status_table(runs_of(Project(snakemake.config))))
