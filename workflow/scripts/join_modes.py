"""Joins the modes of one serving experiment."""

from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.project import Project
from contextrot.responses.usage import write_dashboard
from contextrot.scores.score import summarize_scores
from contextrot.serving.compare import join_modes

with reporting_errors(snakemake.log[0]):
    project, names, out = Project(snakemake.config), snakemake.wildcards, snakemake.output
    folders, model = [Path(path).parent for path in snakemake.input.requests], project.models[names.model]
    join_modes(folders, model.engine, model.name, *map(Path, (out.scores, out.responses, out.parity, out.pairs)))
    summarize_scores(project.task(**names), out.scores, out.metrics)
    write_dashboard(out.responses, 1, names.model)
