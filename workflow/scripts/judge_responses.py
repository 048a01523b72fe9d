"""Judges every answer of one experiment by one judge."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.judging.contract import JudgingContext
from contextrot.judging.judge import judge_responses
from contextrot.project import Project

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    block, task = project.settings.judges[names.judge], project.task(names.tier, names.model, names.experiment)
    asked = {
        "model": project.models.get(block.model),
        "run": project.settings,
        "log_path": Path(snakemake.log[0]),
        "files": [Path(p) for p in snakemake.input.get("files", [])],
    }
    context = JudgingContext(names.judge, block, task, project.data, **asked)
    judge_responses(snakemake.input.samples, snakemake.input.responses, snakemake.output[0], context)
