"""The stages of a project's experiment, called as the rules' scripts call them."""

from __future__ import annotations

from pathlib import Path

from contextrot.hidden_states import extract
from contextrot.judging.contract import JudgingContext
from contextrot.project import Project
from contextrot.samples import build
from contextrot.tasks.context_switching import pairs


def build_samples(project: Project, tier: str, model: str, experiment: str, output: Path) -> None:
    task = project.task(tier, model, experiment)
    build.build_samples(task, project.models[model], project.data, project.settings.seed, output)


def judging_context(project: Project, judge: str, task, log_path: Path, folder: Path = Path()) -> JudgingContext:
    block = project.settings.judges[judge]
    asked = project.models.get(block.model)
    return JudgingContext(judge, block, task, project.data, asked, project.settings, log_path, folder)


def extract_cosines(project: Project, tier: str, model: str, experiment: str, inputs, outputs) -> None:
    task, options = project.task(tier, model, experiment), project.settings.hidden_states
    extract.extract_cosines(task, model, project.models[model], options, inputs, outputs)


def export_pair(project: Project, tier: str, model: str, experiment: str, pair: str, folder: Path, outputs) -> None:
    pairs.export_pair(project.task(tier, model, experiment), model, project.models[model], pair, folder, outputs)
