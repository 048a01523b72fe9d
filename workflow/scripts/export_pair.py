"""Writes the result and debug file of one (target, distractor) pair."""

from pathlib import Path

from contextrot.project import Project
from contextrot.reporting import reporting_errors
from contextrot.tasks.context_switching.pairs import export_pair

with reporting_errors(snakemake.log[0]):
    project, names = Project(snakemake.config), snakemake.wildcards
    task, model = project.task(names.tier, names.model, names.experiment), project.models[names.model]
    outputs = (Path(snakemake.output.result), Path(snakemake.output.debug))
    export_pair(task, names.model, model, names.pair, folder=outputs[0].parents[1], outputs=outputs)
