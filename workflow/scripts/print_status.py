"""Prints how far the run is."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.report.status import status_table

with reporting_errors(snakemake.log[0]):
    print(status_table(runs_of(Project(snakemake.config))))
