"""Ranks all runs of some results folders."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.report.leaderboard import write_leaderboard

with reporting_errors(snakemake.log[0]):
    params = snakemake.params
    write_leaderboard(params.folders, params.seed, params.table, params.differences, params.page)
