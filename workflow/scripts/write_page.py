"""Writes the page of one tier."""

from contextrot.plan.shown import experiments_shown
from contextrot.project import Project
from contextrot.report.page import write_page
from contextrot.reporting import reporting_errors

with reporting_errors(snakemake.log[0]):
    project, tier = Project(snakemake.config), snakemake.wildcards.tier
    shown = experiments_shown(project, tier, snakemake.input)
    settings = project.settings
    write_page(shown, settings.trust, settings.seed, (tier, settings.tiers[tier]), snakemake.output[0])
