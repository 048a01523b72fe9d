"""One model's experiment in one tier: all that config says of it, for what takes no Project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.plan.paths import EXPERIMENT

if TYPE_CHECKING:
    from contextrot.project import Project
    from contextrot.settings import ModelSettings
    from contextrot.task import Task


@dataclass(frozen=True)
class Run:
    """What config says of one model's experiment.

    Attributes:
        tier, model, experiment: their names.
        tier_description, model_title, experiment_title: for people.
        settings: the model's.
        task_name: of its folder.
        task: with the parameters in force.
        judges: names of the judges.
        figures: names of the figures that there is something to draw for.
        shards: number of jobs that ask.
        note: what must be said wherever results are shown; empty for a model that can be taken at its word.
    """

    tier: str
    model: str
    experiment: str
    tier_description: str
    model_title: str
    experiment_title: str
    settings: ModelSettings
    task_name: str
    task: Task
    judges: Sequence[str]
    figures: Sequence[str]
    shards: int
    note: str

    @property
    def folder(self) -> Path:
        """The folder of its results."""
        return Path(EXPERIMENT.format(tier=self.tier, model=self.model, experiment=self.experiment))

    @property
    def titles(self) -> list[str]:
        """What stands in its figures: titles of model and experiment, and the note."""
        return [self.model_title, self.experiment_title, self.note]


def run_of(project: Project, tier: str, model: str, experiment: str) -> Run:
    """What the config says of one model's experiment.

    Raises:
        ConfigError: if its parameters are wrong.
    """
    return Run(
        tier=tier,
        model=model,
        experiment=experiment,
        tier_description=project.settings.tiers[tier],
        model_title=project.title(model),
        experiment_title=project.title(experiment),
        settings=project.models[model],
        task_name=project.experiments[experiment].task,
        task=project.task(tier, model, experiment),
        judges=project.judges_of(experiment),
        figures=project.figures_of(model, experiment),
        shards=project.shards(model, experiment),
        note=project.note(model),
    )


def runs_of(project: Project, tier: str | None = None) -> list[Run]:
    """Every selected model and experiment, in a tier or the config's own."""
    tier = tier or project.settings.tier
    return [
        run_of(project, tier, model, experiment)
        for model in project.selected_models
        for experiment in project.selected_experiments
    ]
