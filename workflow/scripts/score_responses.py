"""Scores every answer of one experiment."""

from contextrot.reporting import reporting_errors
from contextrot.scoring import score_responses
from contextrot.settings import Project

with reporting_errors(snakemake.log[0]):
    task = Project(snakemake.config).task(**snakemake.wildcards)
    files = snakemake.input
    added = files.get("added", [])
    score_responses(task, files.samples, files.responses, files.get("judgements", []), snakemake.output[0], added)
