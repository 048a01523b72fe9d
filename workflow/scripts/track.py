"""Sends the selected runs' numbers to an experiment tracker."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.report.tracking import track

with reporting_errors(snakemake.log[0]):
    project = Project(snakemake.config)
    track(project.settings.tracker, runs_of(project), snakemake.input)
