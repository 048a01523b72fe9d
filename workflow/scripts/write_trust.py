"""Writes the trust tables of one tier."""

from contextrot.plan.shown import experiments_shown
from contextrot.project import Project
from contextrot.report.trust import write_trust
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    project, output = Project(snakemake.config), snakemake.output
    shown = experiments_shown(project, snakemake.wildcards.tier, snakemake.input)
    write_trust(shown, project.settings.trust, project.settings.seed, output.lengths, output.limits)
