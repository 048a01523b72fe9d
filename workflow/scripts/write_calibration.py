"""Tabulates and draws how far the judges of one experiment can be believed."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.judging.calibration import write_calibration
from contextrot.project import Project
from contextrot.randomness import generator_for

with reporting_errors(snakemake.log[0]):
    project, names, given, output = Project(snakemake.config), snakemake.wildcards, snakemake.input, snakemake.output
    judges = project.judges_of(names.experiment)
    judgements = dict(zip(judges, given.judgements, strict=True))
    human = project.labelling_judges(names.experiment)
    task, (*titles, note) = project.task(names.tier, names.model, names.experiment), snakemake.params.titles
    rng = generator_for(project.settings.seed, "calibration", *names)
    files = (given.samples, given.responses, judgements, human, output.table, output.figure)
    write_calibration(task, *files, tuple(titles), note, project.settings.population, rng)
