"""Compares models, conditions or tiers by their scores."""

from pathlib import Path

from contextrot.reporting import reporting_errors
from contextrot.scores.comparison import write_comparison

with reporting_errors(snakemake.log[0]):
    given, folder, name = snakemake.params, Path(snakemake.output.table).parent, snakemake.wildcards.comparison
    how = {"column": given.length, "pair_columns": given.pair_columns, "seed": given.seed, "name": name}
    write_comparison(given.entries, snakemake.input, folder, **how)
