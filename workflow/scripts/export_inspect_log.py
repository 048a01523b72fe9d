"""Writes one experiment as a log of Inspect AI."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.report.inspect_log import export_inspect_log

with reporting_errors(snakemake.log[0]):
    files, names = snakemake.input, snakemake.wildcards
    judgements, model = files.get("judgements", []), f"{snakemake.params.engine}/{names.model}"
    export_inspect_log(files.samples, files.responses, judgements, files.scores, names.experiment, model, snakemake.output[0])
