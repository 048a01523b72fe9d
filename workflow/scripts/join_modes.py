"""Joins the modes of one serving experiment."""

from pathlib import Path

from contextrot.reporting import reporting_errors
from contextrot.serving.compare import join_modes
from contextrot.settings import Project
from contextrot.usage import write_dashboard

with reporting_errors(snakemake.log[0]):
    model, out = Project(snakemake.config).models[snakemake.wildcards.model], snakemake.output
    folders = [Path(path).parent for path in snakemake.input.requests]
    join_modes(folders, model.engine, model.name, Path(out.scores), Path(out.responses), Path(out.parity))
    write_dashboard(out.responses, 1)
