"""Scores every answer of one experiment, and averages the scores over its conditions."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.project import Project
from contextrot.scores.score import score_responses, summarize_scores

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    task = project.task(names.tier, names.model, names.experiment)
    files, output = snakemake.input, snakemake.output
    judgements, added = files.get("judgements", []), files.get("added", [])
    score_responses(task, files.samples, files.responses, judgements, output.scores, added, project.settings.population)
    summarize_scores(task, output.scores, output.metrics)
