"""Writes the answers of one experiment that people are to label."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.judging.labels import write_label_sheet
from contextrot.randomness import generator_for

with reporting_errors(snakemake.log[0]):
    given, output, params = snakemake.input, snakemake.output, snakemake.params
    rng = generator_for(params.seed, "labels", *snakemake.wildcards)
    model, experiment, _ = params.titles
    write_label_sheet(
        given.samples, given.responses, given.judgements, output.sheet, output.page, (model, experiment), params.answers, rng
    )
