"""Averages the scores of one experiment over its conditions."""

from contextrot.reporting import reporting_errors
from contextrot.scoring import summarize_scores
from contextrot.settings import Project

with reporting_errors(snakemake.log[0]):
    task = Project(snakemake.config).task(**snakemake.wildcards)
    summarize_scores(task, snakemake.input.scores, snakemake.output[0])
