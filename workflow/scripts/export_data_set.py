"""Writes one experiment as a data set with its card, its Croissant description, and as samples of lm-evaluation-harness."""

from contextrot.jobs.reporting import reporting_errors
from contextrot.plan.runs import run_of
from contextrot.project import Project
from contextrot.report.data_card import About, Answers, export_data_set, export_lm_eval_samples

with reporting_errors(snakemake.log[0]):
    names, files, output = snakemake.wildcards, snakemake.input, snakemake.output
    run = run_of(Project(snakemake.config), names.tier, names.model, names.experiment)
    question = (type(run.task).__doc__ or "").split("\n\n")[0].replace("\n", " ")
    titles = (names.experiment, names.model, run.experiment_title, run.model_title)
    about = About(*titles, run.task_name, question, names.tier, run.settings.engine, run.judges, run.note)
    answers = Answers.read(files.samples, files.responses, files.scores)
    export_data_set(answers, about, output.card, output.answers, output.croissant)
    export_lm_eval_samples(answers, output.lm_eval)
