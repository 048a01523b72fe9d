"""Judges every answer of one experiment by one judge."""

from pathlib import Path

from contextrot.judging.judge import JudgingContext, judge_responses
from contextrot.project import Project
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    task = project.task(names.tier, names.model, names.experiment)
    judge = project.settings.judges[names.judge]
    context = JudgingContext(names.judge, judge, project, task, Path(snakemake.log[0]))
    judge_responses(snakemake.input.samples, snakemake.input.responses, snakemake.output[0], context)
